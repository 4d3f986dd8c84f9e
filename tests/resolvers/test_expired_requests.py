"""Requests whose time has passed: an authorize clears some of them, and is never held up or refused by that."""

from __future__ import annotations

import asyncio

import pytest

from resolvers.callback import claims
from resolvers.callback.claims import Attempt
from tests.loop_clock import happened
from tests.resolvers.world import PAST, World

PURGE = "DELETE FROM authorization_request"
LOOK = "SELECT state_hash, status, user_id FROM authorization_request"
ABANDON = "AND lease_until <="


async def claimed(world: World, user: str) -> None:
    callback = await world.begin(user)
    attempt = Attempt.of(world.context(user), user, world.resources.registration("acme"), callback)
    assert await claims.claim(world.context(user), attempt)


async def count(world: World) -> int:
    return await world.outside.value("SELECT count(*) FROM authorization_request")


async def test_one_authorize_clears_several_past_requests(world: World) -> None:
    for user in ("alice", "bob", "carol"):
        await world.begin(user)
    await world.change_requests(f"purge_after = {PAST}")
    await world.begin("dave")
    assert await count(world) == 1
    assert await world.status("dave") == ["pending"]


async def test_the_table_can_not_outgrow_its_use(world: World) -> None:
    """Each authorize removes up to twenty, the oldest first."""
    for _ in range(23):
        await world.begin("alice")
    await world.begin("older")
    await world.change_requests(f"purge_after = {PAST}")
    await world.change_requests("purge_after = '2019-01-01 00:00:00+00:00' WHERE user_id = 'older'")
    await world.begin("bob")
    assert await count(world) == 5
    assert await world.status("older") == []
    await world.begin("bob")
    assert await count(world) == 2


async def test_what_is_to_be_remembered_stays(world: World) -> None:
    """Others in the table may be past, and these are not."""
    await world.connect("alice")
    await world.begin("alice")
    await world.begin("bob")
    await world.change_requests(f"purge_after = {PAST} WHERE user_id = 'bob'")
    await world.begin("carol")
    assert await world.status("alice") == ["completed", "pending"]
    assert await world.status("bob") == []


async def test_nothing_is_looked_for_as_long_as_nothing_is_past(any_world: World) -> None:
    for _ in range(3):
        await any_world.begin("alice")
    assert (any_world.database.count(LOOK), any_world.database.count(PURGE)) == (0, 0)


async def test_a_request_whose_holder_died_is_ended_and_remembered(world: World) -> None:
    """It is recorded for its user, without an actor: whoever comes across it has done nothing."""
    await claimed(world, "alice")
    await world.change_requests(f"purge_after = {PAST}, lease_until = {PAST}")
    await world.begin("bob")
    assert await world.status("alice") == ["failed"]
    subject = await world.resources.pseudonyms.of("alice")
    told = await world.events("action, outcome, provider, actor, client_id, subject")
    assert told[-1] == ("complete", "PROVIDER_UNAVAILABLE", "acme", None, None, subject)
    assert len(told) == 3
    assert [line["provider"] for line in world.said("claim.abandoned")] == ["acme"]


async def test_a_claim_whose_lease_still_runs_is_not_ended(world: World) -> None:
    """Nor deleted, although it is past: only its lease says that its holder died."""
    await claimed(world, "alice")
    await world.change_requests(f"purge_after = {PAST}")
    await world.begin("bob")
    assert await world.status("alice") == ["exchanging"]
    assert not world.said("claim.abandoned")
    assert [outcome for _, outcome in await world.events()] == ["ok", "ok"]


@pytest.mark.parametrize("statement", [LOOK, PURGE, ABANDON])
async def test_clearing_that_fails_costs_nobody_a_request(any_world: World, statement: str) -> None:
    await claimed(any_world, "alice")
    await any_world.change_requests(f"purge_after = {PAST}, lease_until = {PAST}")
    any_world.database.fail(statement)
    await any_world.begin("bob")
    assert any_world.database.count(statement) == 1
    assert [line["error"] for line in any_world.said("purge.failed")] == ["FAULT"]
    assert await any_world.status("bob") == ["pending"]


async def test_clearing_takes_a_second_at_most(any_world: World) -> None:
    await any_world.begin("alice")
    await any_world.change_requests(f"purge_after = {PAST}")
    any_world.database.delay(PURGE, asyncio.Event().wait)
    with any_world.clock() as clock:
        beginning = asyncio.create_task(any_world.begin("bob"))
        await happened(lambda: any_world.database.count(PURGE))
        await clock.advance(0.95)
        assert not beginning.done()
        await clock.advance(0.1)
        assert beginning.done()
        assert (await beginning).provider == "acme"
    assert [line["error"] for line in any_world.said("purge.failed")] == ["TimeoutError"]
