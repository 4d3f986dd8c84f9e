"""Revocation: what it ends, and what it says of tokens that have ended."""

from __future__ import annotations

import pytest

from tests.sandbox.world import SECRET, World, basic, refused


def endings(world: World, account: str = "ann") -> list[str | None]:
    return [family["ended"] for family in world.families(account=account)]


def test_the_family_of_the_token_ends(world: World) -> None:
    token, _ = (world.connect("sandbox", account="ann") for _ in range(2))
    assert world.revoke("sandbox", token["access_token"]).status_code == 200
    assert endings(world) == ["revoked", None]
    call = world.calls()[-1]
    assert (call["outcome"], call["account"], call["ended"]) == ("revoked", "ann", [call["family"]])


def test_if_the_entry_does_not_say_what_ends_it_is_the_grant(world: World) -> None:
    token, _ = (world.connect("google", account="ann") for _ in range(2))
    world.revoke("google", token["refresh_token"])
    assert endings(world) == ["revoked", "revoked"]


@pytest.mark.parametrize("ends", ["grant", "account"])
def test_a_revocation_may_end_all_families_of_the_account(world: World, ends: str) -> None:
    world.set(revoke_ends=ends)
    token, _ = (world.connect("sandbox", account="ann") for _ in range(2))
    world.connect("sandbox", account="bob")
    world.revoke("sandbox", token["access_token"])
    assert (endings(world), endings(world, "bob")) == (["revoked", "revoked"], [None])
    assert len(world.calls()[-1]["ended"]) == 2


def test_a_grant_that_ended_is_followed_by_another(world: World) -> None:
    world.set(revoke_ends="grant")
    first = world.connect("sandbox", account="ann")
    world.revoke("sandbox", first["access_token"])
    second = world.connect("sandbox", account="ann")
    assert world.revoke("sandbox", first["access_token"]).status_code == 200
    assert endings(world) == ["revoked", None]
    assert world.api("sandbox", second["access_token"]).status_code == 200
    grants = world.control("GET", "grants")
    assert [(grant["living"], grant["account"]) for grant in grants] == [(False, "ann"), (True, "ann")]


def test_a_used_token_revokes_or_counts_as_unknown(world: World) -> None:
    for by_used, ended in ((True, "revoked"), (False, None)):
        world.set("google", refresh="rotating", revoke_by_used=by_used)
        token = world.connect("google", account="ann")["refresh_token"]
        world.refresh("google", token)
        assert world.revoke("google", token).status_code == 200
        assert endings(world)[-1] == ended
    world.set("google", refresh_grace=60)
    token = world.connect("google", account="ann")["refresh_token"]
    world.refresh("google", token)
    world.revoke("google", token)
    assert endings(world)[-1] == "revoked"


@pytest.mark.parametrize(("gone", "status"), [(None, 200), (400, 400), (404, 404)])
def test_what_is_said_of_a_token_that_has_ended(world: World, gone: int | None, status: int) -> None:
    world.set("google", revoke_gone=gone)
    token = world.connect("google")["refresh_token"]
    assert world.revoke("google", token).status_code == 200
    assert world.revoke("google", token).status_code == status
    assert world.revoke("google", "rt_unknown").status_code == status
    assert [call["outcome"] for call in world.calls(endpoint="revoke")] == [
        "revoked",
        "unknown_token",
        "unknown_token",
    ]


def test_a_bearer_that_has_ended_or_expired(world: World) -> None:
    ended = world.connect("polar")["access_token"]
    assert world.revoke("polar", ended).status_code == 204
    assert refused(world.revoke("polar", ended), "invalid_token", 401)
    for gone, status in ((404, 404), (200, 204)):
        world.set("polar", revoke_gone=gone)
        assert world.revoke("polar", ended).status_code == status
        assert world.revoke("polar", "at_unknown").status_code == 401
    expired = world.connect("suunto", access_life="0")["access_token"]
    world.set("suunto", revoke_gone=404)
    assert refused(world.revoke("suunto", expired), "invalid_token", 401)


def test_a_token_in_the_url_and_nothing_about_the_client(world: World) -> None:
    token = world.connect("oura", account="ann")
    assert world.revoke("oura", token["access_token"]).status_code == 200
    assert endings(world) == ["revoked"]
    call = world.calls()[-1]
    assert (call["account"], call["query"], call["form"]) == ("ann", {"access_token": token["access_token"]}, {})
    for other in (token["access_token"], token["refresh_token"], "at_unknown"):
        assert refused(world.revoke("oura", other), "invalid_token", 401)
    expired = world.connect("oura", access_life="0")["access_token"]
    assert refused(world.revoke("oura", expired), "invalid_token", 401)


@pytest.mark.parametrize("form", [{"client_id": "oura"}, {"client_secret": SECRET}, {}])
def test_an_anonymous_revocation_must_say_nothing_of_the_client(world: World, form: dict[str, str]) -> None:
    url = f"{world.base}/oura/revoke?access_token={world.connect('oura', account='ann')['access_token']}"
    headers = {} if form else {"Authorization": basic("oura", SECRET)}
    assert refused(world.http.post(url, data=form, headers=headers), "invalid_request")
    assert refused(world.http.post(f"{url}&client_id=oura"), "invalid_request")
    assert refused(world.http.post(url.partition("?")[0]), "invalid_request")
    assert endings(world) == [None]


def test_an_anonymous_revocation_by_a_form(world: World) -> None:
    token = world.connect("huawei", account="ann")["access_token"]
    url = world.entry("huawei")["revoke"]["url"]
    assert refused(world.http.post(url, data={"token": token, "client_id": "huawei"}), "invalid_request")
    assert refused(world.http.post(url, data={"other": token}), "invalid_request")
    assert world.revoke("huawei", token).json() == {}
    assert endings(world) == ["revoked"]


def test_a_client_without_a_secret_names_itself(world: World) -> None:
    url, token = world.entry("google")["revoke"]["url"], world.connect("google", account="ann")["refresh_token"]
    assert refused(world.http.post(url, data={"token": token}), "invalid_client", 401)
    assert refused(world.http.post(url, data={"token": token, "client_id": "other"}), "invalid_client", 401)
    assert endings(world) == [None]


def test_a_token_in_a_header_field(world: World) -> None:
    token = world.connect("coros", account="ann")["access_token"]
    url = world.entry("coros")["revoke"]["url"]
    assert world.http.post(url, data={"token": token}).json()["result"] == "401"
    assert world.revoke("coros", token).json() == {"result": "0000"}
    assert (endings(world), world.calls()[-1]["account"]) == (["revoked"], "ann")
    gone = world.revoke("coros", token)
    assert (gone.status_code, gone.json()["result"]) == (200, "1019")


def test_a_client_id_in_the_url(world: World) -> None:
    token = world.connect("suunto", account="ann")["access_token"]
    url, bearer = f"{world.base}/suunto/revoke", {"Authorization": f"Bearer {token}"}
    for query in ("", "?client_id=strava", "?client_id=suunto&more=1"):
        assert refused(world.http.get(url + query, headers=bearer), "invalid_request")
    assert world.revoke("suunto", token).status_code == 200


def test_placeholders_in_the_path(world: World) -> None:
    token = world.connect("dexcom/eu", account="ann")["refresh_token"]
    assert world.revoke("dexcom/eu", token, "bob").json()["error"] == "invalid_request"
    url = f"{world.base}/dexcom/eu/revoke/ann/{token}"
    assert refused(world.http.delete(url, headers={"Authorization": basic("dexcom", SECRET)}), "invalid_request")
    assert world.http.delete(url.replace(token, f"t-{token}")).status_code == 401
    assert world.revoke("dexcom/eu", token, "ann").status_code == 204
    assert endings(world) == ["revoked"]
