"""The registration of a user, without which there is no data."""

from __future__ import annotations

import pytest

from tests.sandbox.world import World, refused


def test_data_needs_a_registration(world: World) -> None:
    token = world.connect("polar", account="4711")["access_token"]
    assert refused(world.api("polar", token), "access_denied", 403)
    answer = world.register("polar", token)
    assert (answer.status_code, answer.json()) == (200, {"polar-user-id": 4711, "member-id": "someone"})
    assert world.api("polar", token).status_code == 200
    assert world.register("polar", token).status_code == 409
    outcomes = [call["outcome"] for call in world.calls(endpoint="after_exchange")]
    assert outcomes == ["registered", "already_registered"]


def test_a_registration_is_of_the_account_until_access_is_revoked(world: World) -> None:
    first, second = (world.connect("polar", account="4711")["access_token"] for _ in range(2))
    world.register("polar", first)
    assert world.api("polar", second).status_code == 200
    assert world.revoke("polar", first, "4711").status_code == 204
    assert refused(world.api("polar", world.connect("polar", account="4711")["access_token"]), "access_denied", 403)


def test_a_name_that_another_user_has(world: World) -> None:
    first, second = (world.connect("polar", account=account)["access_token"] for account in ("4711", "4712"))
    world.register("polar", first)
    assert world.register("polar", second).status_code == 409
    assert refused(world.api("polar", second), "access_denied", 403)
    assert world.register("polar", second, "another").status_code == 200
    assert world.revoke("polar", first, "4711").status_code == 204
    assert world.register("polar", world.connect("polar", account="4713")["access_token"]).status_code == 200


def test_it_needs_a_token_and_a_name_for_the_user(world: World) -> None:
    token = world.connect("polar")["access_token"]
    assert refused(world.register("polar", "at_unknown"), "invalid_token", 401)
    for member in (None, "", 5, ["x"]):
        assert refused(world.register("polar", token, member), "invalid_request"), member
    url, bearer = world.entry("polar")["after_exchange"]["url"], {"Authorization": f"Bearer {token}"}
    assert refused(world.http.post(url, data={"member-id": "x"}, headers=bearer), "invalid_request", 415)
    for body in ("", "[]", "5"):
        answer = world.http.post(url, content=body, headers={**bearer, "Content-Type": "application/json"})
        assert refused(answer, "invalid_request")
    assert world.http.get(url, headers=bearer).status_code == 405


@pytest.mark.parametrize("slug", ["sandbox", "strava"])
def test_no_other_provider_needs_one(world: World, slug: str) -> None:
    assert world.api(slug, world.connect(slug)["access_token"]).status_code == 200
