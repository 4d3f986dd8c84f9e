"""What the token endpoint requires of forms, client authentication, codes and verifiers."""

from __future__ import annotations

import base64

import httpx
import pytest

from tests.sandbox.world import CHALLENGE, REDIRECT_URI, SECRET, VERIFIER, World, basic, refused


def test_a_code_is_exchanged_for_valid_tokens(world: World) -> None:
    token = world.connect("sandbox", account="ann")
    assert token.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 3600, "sleep offline")
    assert world.account("sandbox", token["access_token"]).json() == {"sub": "ann"}


def test_a_second_use_of_a_code_fails_and_revokes_its_tokens(world: World) -> None:
    code = world.approve("sandbox")["code"]
    token = world.redeem("sandbox", code).json()
    assert refused(world.redeem("sandbox", code), "invalid_grant")
    assert refused(world.account("sandbox", token["access_token"]), "invalid_token", 401)
    assert refused(world.refresh("sandbox", token["refresh_token"]), "invalid_grant")
    assert world.states("access_token") == ["revoked"]


def test_a_code_expires(world: World) -> None:
    world.control("PUT", "settings", {"slug": "sandbox", "code_life": 0})
    assert refused(world.redeem("sandbox", world.approve("sandbox")["code"]), "invalid_grant")
    world.control("PUT", "settings", {"slug": "sandbox", "code_life": 30})
    assert world.redeem("sandbox", world.approve("sandbox")["code"]).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": None},
        {"code_verifier": "w" * 43},
        {"code_verifier": CHALLENGE},
        {"code_verifier": "short"},
        {"redirect_uri": None},
        {"redirect_uri": REDIRECT_URI + "/"},
        {"code": "code_of_nobody"},
    ],
)
def test_a_request_that_does_not_match_the_code_leaves_it_usable(world: World, changes: dict[str, str | None]) -> None:
    code = world.approve("sandbox")["code"]
    assert refused(world.redeem("sandbox", code, **changes), "invalid_grant")
    assert world.states("access_token") == []
    assert world.redeem("sandbox", code).status_code == 200


def test_a_verifier_without_a_challenge_is_rejected(world: World) -> None:
    assert refused(world.redeem("strava", world.approve("strava")["code"], code_verifier=VERIFIER), "invalid_grant")


def test_an_optional_challenge_is_checked(world: World) -> None:
    code = world.approve("strava", code_challenge=CHALLENGE, code_challenge_method="S256")["code"]
    assert refused(world.redeem("strava", code), "invalid_grant")
    assert world.redeem("strava", code, code_verifier=VERIFIER).status_code == 200


def test_a_code_of_another_provider_is_unknown(world: World) -> None:
    code = world.approve("google")["code"]
    assert refused(world.redeem("sandbox", code), "invalid_grant")


@pytest.mark.parametrize("missing", ["grant_type", "code"])
def test_a_missing_parameter(world: World, missing: str) -> None:
    assert refused(world.redeem("sandbox", "a-code", **{missing: None}), "invalid_request")


def test_an_unknown_grant_type(world: World) -> None:
    assert refused(world.token("sandbox", grant_type="password"), "unsupported_grant_type")


def test_only_forms_by_post_without_a_query(world: World) -> None:
    url, form = f"{world.base}/token", {"grant_type": "refresh_token", "client_id": "sandbox"}
    assert world.http.get(url, params=form).status_code == 405
    assert refused(world.http.post(url, json=form), "invalid_request")
    assert refused(world.http.post(f"{url}?client_secret=x", data=form), "invalid_request")
    twice = {**form, "client_id": ["sandbox", "sandbox"]}
    assert refused(world.http.post(url, data=twice), "invalid_request")
    assert world.http.post(f"{url}/", data=form).status_code == 404
    outcomes = [call["outcome"] for call in world.calls()]
    assert outcomes == ["method_not_allowed", *["invalid_request"] * 3]


def test_basic_requires_form_encoded_credentials_in_the_header(world: World) -> None:
    code = world.approve("suunto")["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    url = world.entry("suunto")["token"]["url"]
    key = world.headers("suunto", "token")
    unencoded = base64.b64encode(f"suunto:{SECRET}".encode("latin-1")).decode()
    for headers, more in [
        ({}, {"client_id": "suunto", "client_secret": SECRET}),
        ({"Authorization": basic("suunto", "wrong")}, {}),
        ({"Authorization": basic("strava", SECRET)}, {}),
        ({"Authorization": basic("suunto", SECRET)}, {"client_id": "strava"}),
        ({"Authorization": f"Basic {unencoded}"}, {}),
        ({"Authorization": "Basic !!!"}, {}),
        ({"Authorization": "Basic é"}, {}),
        ({"Authorization": "Basic " + base64.b64encode(b"suunto:%ff").decode()}, {}),
        ({"Authorization": "Bearer x"}, {}),
        ({}, {}),
    ]:
        encoded = httpx.Headers({**key, **headers}, encoding="latin-1")
        answer = world.http.post(url, data={**form, **more}, headers=encoded)
        assert refused(answer, "invalid_client", 401), headers
        assert answer.headers["www-authenticate"].startswith("Basic")
    both = {"client_id": "suunto", "client_secret": SECRET}
    answer = world.http.post(url, data={**form, **both}, headers=key | world.authorization("suunto"))
    assert refused(answer, "invalid_request")
    assert world.http.post(url, data=form, headers=key | world.authorization("suunto")).status_code == 200


@pytest.mark.parametrize("changes", [{"client_secret": "wrong"}, {"client_secret": None}, {"client_id": None}])
def test_post_requires_id_and_secret_in_the_body(world: World, changes: dict[str, str | None]) -> None:
    code = world.approve("sandbox")["code"]
    answer = world.redeem("sandbox", code, **changes)
    assert refused(answer, "invalid_client", 401)
    assert "www-authenticate" not in answer.headers
    assert world.redeem("sandbox", code).status_code == 200


def test_post_rejects_the_header(world: World) -> None:
    form = {"grant_type": "authorization_code", "code": "x", "client_id": "sandbox"}
    answer = world.http.post(f"{world.base}/token", data=form, headers={"Authorization": basic("sandbox", SECRET)})
    assert refused(answer, "invalid_client", 401)


def test_a_public_client_has_no_secret(world: World) -> None:
    code = world.approve("polar")["code"]
    assert refused(world.redeem("polar", code, client_secret=SECRET), "invalid_client", 401)
    assert refused(world.redeem("polar", code, client_id="acme"), "invalid_client", 401)
    assert world.redeem("polar", code).status_code == 200


def test_the_newest_families_of_a_grant_stay(world: World) -> None:
    world.set(families_per_grant=2)
    tokens = [world.connect("sandbox", account="ann")["access_token"] for _ in range(3)]
    other = world.connect("sandbox", account="bob")["access_token"]
    assert [world.account("sandbox", token).status_code for token in [*tokens, other]] == [401, 200, 200, 200]
    families = world.families(account="ann")
    assert [family["ended"] for family in families] == ["replaced", None, None]
    assert [call["ended"] for call in world.calls(endpoint="token")] == [[], [], [families[0]["family"]], []]


def test_a_code_is_worthless_once_the_user_has_ended_the_access(world: World) -> None:
    code = world.approve("sandbox", account="ann")["code"]
    world.control("POST", "grants/end", {"slug": "sandbox", "account": "ann"})
    assert refused(world.redeem("sandbox", code), "invalid_grant")
