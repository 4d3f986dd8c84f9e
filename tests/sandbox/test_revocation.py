"""Revocation: what it ends, and what it says of tokens that have ended."""

from __future__ import annotations

import pytest

from tests.sandbox.world import World, refused


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
