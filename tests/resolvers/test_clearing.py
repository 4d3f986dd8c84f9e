"""What is past is cleared beside the requests: no authorize waits for it, is held up or refused by it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from models.database import DatabaseDown
from resolvers.callback import claims
from resolvers.callback.claims import Attempt
from resolvers.clearing import clear
from resolvers.clearing_progress import ClearingProgress
from tests.loop_clock import happened
from tests.resolvers.failing_database import END
from tests.resolvers.world import PAST, World

LOOK = "SELECT (SELECT expires_at FROM authorization_request"
MOVE = "DELETE FROM authorization_request"
CLAIMS = "AS past WHERE status"
ABANDON = END
FORGET = "DELETE FROM ended_request"
EXPIRED = f"expires_at = {PAST}"


async def claimed(world: World, user: str) -> None:
    callback = await world.begin(user)
    attempt = Attempt.of(world.context(user), user, world.resources.registration("acme"), callback)
    assert await claims.claim(world.context(user), attempt)


async def make_past(world: World, change: str = EXPIRED) -> None:
    """After the run that the first authorize has started."""
    await world.drained()
    await world.change_requests(change)


async def requests(world: World) -> int:
    return await world.outside.value("SELECT count(*) FROM authorization_request")


async def remembered(world: World) -> list[str]:
    return [user for (user,) in await world.outside.fetch("SELECT user_id FROM ended_request ORDER BY user_id")]


async def next_authorize(world: World, user: str = "someone") -> None:
    """So long after the last one that it starts a search from the beginning, which ends here."""
    world.resources.clearing.due = world.resources.clearing.beginning_due = float("-inf")
    await world.begin(user)
    await world.drained()


async def test_an_authorize_clears_expired_requests(world: World) -> None:
    for user in ("alice", "bob"):
        await world.connect(user)
    for user in ("carol", "dave"):
        await world.begin(user)
    await make_past(world, f"{EXPIRED} WHERE user_id <> 'dave'")
    await next_authorize(world)
    assert await remembered(world) == ["alice", "bob"]
    assert [await world.status(user) for user in ("alice", "carol", "dave")] == [[], [], ["pending"]]


async def test_a_request_stays_until_no_lease_can_run_any_more(world: World) -> None:
    """The longest is 65 seconds, and may begin at the last moment."""
    await world.begin("alice")
    await world.turn_back(600 + 66)
    await world.clear()
    assert await world.status("alice") == ["pending"]
    await world.turn_back(10)
    await world.clear()
    assert await world.status("alice") == []


async def test_all_that_is_due_is_cleared_in_batches(any_world: World) -> None:
    await any_world.connect("alice")
    copies = """
        INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, scopes, status,
            code_hash, connection_id, created_at, expires_at)
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 450)
        SELECT 'copy ' || n, user_id, provider, redirect_uri, registration, scopes, status, code_hash, connection_id,
            created_at, '2020-01-01 00:00:' || (10 + n % 50) || '.000000+00:00'
        FROM authorization_request, numbers"""
    await any_world.outside.fetch(copies)
    await any_world.clear()
    assert (await requests(any_world), len(await remembered(any_world))) == (1, 450)
    assert any_world.database.count(MOVE) == 5
    await any_world.outside.fetch(f"UPDATE ended_request SET ended_at = {PAST}")
    await any_world.clear()
    assert (len(await remembered(any_world)), any_world.database.count(FORGET)) == (0, 5)


async def test_several_processes_clear_at_once(world: World) -> None:
    users = [f"user-{number:02}" for number in range(12)]
    for user in users:
        await world.connect(user)
    await make_past(world)
    await asyncio.gather(*(world.clear() for _ in range(5)))
    assert (await requests(world), await remembered(world)) == (0, users)


async def test_ended_requests_are_remembered_for_the_retention(world: World) -> None:
    await world.connect("alice")
    await make_past(world)
    for seconds, left in ((0, ["alice"]), (3500, ["alice"]), (120, [])):
        await world.turn_back(seconds)
        await clear(world.context("someone", retention=timedelta(hours=1), clearing=ClearingProgress()))
        assert await remembered(world) == left


async def test_nothing_is_written_as_long_as_nothing_is_due(any_world: World) -> None:
    await any_world.connect("alice")
    for _ in range(3):
        await next_authorize(any_world)
    assert [any_world.database.count(one) for one in (LOOK, MOVE, CLAIMS, FORGET)] == [4, 0, 0, 0]


async def test_a_process_looks_once_a_second_at_most(any_world: World) -> None:
    with any_world.clock() as clock:
        for advance, looked in ((0, 1), (0.9, 1), (0.2, 2), (0.5, 2), (1, 3)):
            await clock.advance(advance)
            await any_world.begin("alice")
            await happened(lambda: not any_world.resources.clearing.running)
            assert any_world.database.count(LOOK) == looked


async def test_no_authorize_waits_for_it(any_world: World) -> None:
    """Nor does the next one start another run beside it."""
    await any_world.connect("alice")
    await make_past(any_world)
    go_on = asyncio.Event()
    any_world.database.delay(MOVE, go_on.wait)
    with any_world.clock() as clock:
        await clock.advance(61)
        await any_world.begin("bob")
        await happened(lambda: any_world.database.count(MOVE))
        looked = any_world.database.count(LOOK)
        await clock.advance(2)
        await any_world.begin("carol")
        assert any_world.database.count(LOOK) == looked
        go_on.set()
    await any_world.drained()
    assert await remembered(any_world) == ["alice"]


# Claims whose holder died


async def test_a_request_whose_holder_died_is_ended_and_remembered(world: World) -> None:
    """It is recorded for its user, without an actor: whoever comes across it has done nothing."""
    await claimed(world, "alice")
    await make_past(world, f"{EXPIRED}, lease_until = {PAST}")
    await next_authorize(world)
    assert await world.status("alice") == ["failed"]
    subject = await world.resources.pseudonyms.of("alice")
    told = await world.events("action, outcome, provider, actor, client_id, subject")
    assert told[-1] == ("complete", "PROVIDER_UNAVAILABLE", "acme", None, None, subject)
    assert len(told) == 3
    assert [line["provider"] for line in world.said("claim.abandoned")] == ["acme"]
    await world.clear()
    assert await remembered(world) == ["alice"]


async def test_a_claim_whose_lease_still_runs_is_not_ended(world: World) -> None:
    """Only its lease says that its holder died."""
    await claimed(world, "alice")
    await make_past(world)
    await world.clear()
    assert await world.status("alice") == ["exchanging"]
    assert not world.said("claim.abandoned")
    assert [outcome for _, outcome in await world.events()] == ["ok"]


async def test_many_claims_are_ended_by_the_next_runs(any_world: World) -> None:
    """Not only by those that search from the beginning, of which there is one a minute."""
    await claimed(any_world, "alice")
    await any_world.drained()
    copies = f"""
        INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, scopes, status,
            code_hash, owner, lease_until, created_at, expires_at)
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 250)
        SELECT 'copy ' || n, user_id, provider, redirect_uri, registration, scopes, status, code_hash, owner, {PAST},
            created_at, {PAST}
        FROM authorization_request, numbers"""
    await any_world.outside.fetch(copies)
    context = any_world.context("someone", clearing=ClearingProgress())
    for _ in range(4):
        await clear(context)
    assert len(any_world.said("claim.abandoned")) == 250
    assert (await requests(any_world), len(await remembered(any_world))) == (1, 250)


# Faults


@pytest.mark.parametrize("statement", [LOOK, MOVE, CLAIMS, ABANDON])
async def test_clearing_that_fails_costs_nobody_a_request(any_world: World, statement: str) -> None:
    await claimed(any_world, "alice")
    await make_past(any_world, f"{EXPIRED}, lease_until = {PAST}")
    tried = any_world.database.count(statement)
    any_world.database.fail(statement)
    await next_authorize(any_world, "bob")
    assert any_world.database.count(statement) == tried + 1
    assert [line["error"] for line in any_world.said("purge.failed")] == ["FAULT"]
    assert await any_world.status("bob") == ["pending"]


async def test_a_run_that_fails_is_not_repeated_at_once(any_world: World) -> None:
    """An old snapshot may make a search take too long. What it left is searched for a minute later."""
    await any_world.connect("alice")
    await make_past(any_world)
    any_world.database.fail(MOVE)
    context = any_world.context("someone", clearing=ClearingProgress())
    with any_world.clock() as clock:
        with pytest.raises(DatabaseDown):
            await clear(context)
        await clock.advance(59)
        await clear(context)
        assert (await remembered(any_world), any_world.database.count(MOVE)) == ([], 1)
        await clock.advance(2)
        await clear(context)
        assert (await remembered(any_world), any_world.database.count(MOVE)) == (["alice"], 2)


async def test_a_search_begins_where_the_last_one_ended(any_world: World) -> None:
    """An old snapshot keeps the entries of deleted rows in the index. Once a minute it begins at the beginning."""
    context = any_world.context("someone", clearing=ClearingProgress())
    with any_world.clock() as clock:
        await clear(context)
        await any_world.connect("alice")
        await make_past(any_world)
        await clear(context)
        assert await remembered(any_world) == []
        await clock.advance(61)
        await clear(context)
        assert await remembered(any_world) == ["alice"]


async def test_searching_from_the_beginning_takes_a_hundredth_of_the_time(any_world: World) -> None:
    context = any_world.context("someone", clearing=ClearingProgress())
    with any_world.clock() as clock:

        async def take_long() -> None:
            await clock.advance(5)

        any_world.database.delay(LOOK, take_long)
        await clear(context)
        await any_world.connect("alice")
        await make_past(any_world)
        await clock.advance(490)
        await clear(context)
        assert await remembered(any_world) == []
        await clock.advance(20)
        await clear(context)
        assert await remembered(any_world) == ["alice"]


async def test_a_run_that_is_cancelled_loses_nothing(world: World) -> None:
    users = [f"user-{number:02}" for number in range(6)]
    for user in users:
        await world.connect(user)
    await make_past(world)
    running = asyncio.create_task(world.clear())
    await happened(lambda: world.database.count(MOVE))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await world.clear()
    assert (await requests(world), await remembered(world)) == (0, users)


async def test_a_callback_that_is_repeated_after_its_request_was_moved(world: World) -> None:
    callback = await world.begin("alice")
    connection = await world.complete("alice", callback)
    await make_past(world)
    await world.clear()
    assert await remembered(world) == ["alice"]
    assert await world.complete("alice", callback) == connection
    for another in (replace(callback, code="another"), replace(callback, redirect_uri="https://app.example/other")):
        assert await world.code("alice", another) == "INVALID_STATE"
    assert await world.code("bob", callback) == "INVALID_STATE"
    assert len(world.provider.asked()) == 1
