"""Callbacks that don't get the claim: they wait for the one that has it, and get its result."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from providers.provider_limit import LIMITS, TIMEOUTS, Use
from resolvers.callback import claims
from resolvers.callback.claims import Attempt, Callback
from resolvers.errors import PROBLEMS
from tests.loop_clock import happened, settled
from tests.resolvers.callback.test_exchange import hang
from tests.resolvers.failing_database import CLAIM, FIND
from tests.resolvers.world import PAST, World

AGAIN = "The provider can't be reached. Send the same callback again shortly."
FINAL = [
    "INVALID_GRANT",
    "ACCESS_DENIED",
    "PROVIDER_UNAVAILABLE",
    "PROVIDER_MISCONFIGURED",
    "INVALID_STATE",
    "INTERNAL_ERROR",
]


async def claimed_elsewhere(world: World, callback: Callback) -> Attempt:
    """As by another process, which this one knows nothing of."""
    attempt = Attempt.of(world.context("alice"), "alice", world.resources.registration(callback.provider), callback)
    assert await claims.claim(world.context("alice"), attempt)
    return attempt


async def open_circuit(world: World) -> None:
    with world.clock() as clock:
        for _ in range(TIMEOUTS):
            await hang(world, clock, await world.begin("alice"))


# While the exchange is in progress


async def test_the_same_callback_waits_for_the_exchange(world: World) -> None:
    """It learns of its end at once, and gets the same connection."""
    callback = await world.begin("alice")
    world.provider.leave.clear()
    with world.clock():
        first = asyncio.create_task(world.complete("alice", callback))
        await happened(world.provider.asked)
        others = [asyncio.create_task(world.complete("alice", callback)) for _ in range(3)]
        await happened(lambda: world.waiting(callback) == 3)
        world.provider.leave.set()
        connections = await asyncio.gather(first, *others)
    assert len({connection.id for connection in connections}) == 1
    assert world.database.count(FIND) == 6
    assert len(world.provider.exchanges(callback.code)) == 1
    assert [outcome for _, outcome in await world.events()] == ["ok", "ok", "replayed"]
    assert len(world.said("callback.repeated")) == 3


async def test_a_callback_with_another_code_waits_until_the_exchange_has_ended(any_world: World) -> None:
    """A claim that is given back leaves the state as it was, so no code is wrong before."""
    callback = await any_world.begin("alice")
    any_world.provider.leave.clear()
    with any_world.clock():
        first = asyncio.create_task(any_world.complete("alice", callback))
        await happened(any_world.provider.asked)
        other = asyncio.create_task(any_world.code("alice", replace(callback, code="another")))
        await happened(lambda: any_world.waiting(callback) == 1)
        assert not other.done()
        any_world.provider.leave.set()
        assert await other == "INVALID_STATE"
        await first
    assert [line["reason"] for line in any_world.said("state.refused")] == ["another code"]


async def test_who_waits_while_the_claim_is_given_back_may_come_again(any_world: World) -> None:
    callback = await any_world.begin("alice")
    attempt = await claimed_elsewhere(any_world, callback)
    with any_world.clock() as clock:
        waiting = asyncio.create_task(any_world.problem("alice", callback))
        await happened(lambda: any_world.waiting(callback) == 1)
        await claims.release(any_world.context("alice"), attempt)
        await clock.until(waiting.done)
        problem = await waiting
    assert (problem.code, problem.retry_after, problem.message) == ("PROVIDER_UNAVAILABLE", 5, AGAIN)
    assert not any_world.said("state.refused")
    assert await any_world.code("alice", callback) is None


async def test_an_exchange_elsewhere_is_looked_for_less_and_less_often(any_world: World) -> None:
    callback = await any_world.begin("alice")
    attempt = await claimed_elsewhere(any_world, callback)
    with any_world.clock() as clock:
        began = clock.now
        waiting = asyncio.create_task(any_world.code("alice", callback))
        await clock.until(lambda: any_world.database.count(FIND) == 8, step=0.01)
        looks = [moment - began for moment in any_world.database.moments(FIND)]
        assert looks == pytest.approx([0, 0.02, 0.06, 0.14, 0.3, 0.62, 1.12, 1.62], abs=0.015)
        await claims.end(any_world.context("alice"), attempt, PROBLEMS["INVALID_GRANT"]())
        await clock.until(waiting.done)
        assert await waiting == "INVALID_GRANT"


async def test_no_more_than_64_wait_for_one_exchange(any_world: World) -> None:
    """A caller who repeats a callback can't take all slots of the process."""
    callback = await any_world.begin("alice")
    any_world.provider.leave.clear()
    with any_world.clock():
        first = asyncio.create_task(any_world.complete("alice", callback))
        await happened(any_world.provider.asked)
        waiting = [asyncio.create_task(any_world.complete("alice", callback)) for _ in range(64)]
        await happened(lambda: any_world.waiting(callback) == 64)
        problem = await any_world.problem("alice", callback)
        assert (problem.code, problem.retry_after) == ("SERVICE_UNAVAILABLE", 1)
        assert not any(one.done() for one in waiting)
        # One that leaves makes place for another.
        waiting.pop().cancel()
        any_world.provider.leave.set()
        await asyncio.gather(first, *waiting)


# After the holder of the claim died


async def test_a_claim_whose_lease_is_over_is_ended(world: World) -> None:
    """The code may be spent, so the request has failed, which is recorded once, and without an actor."""
    callback = await world.begin("alice")
    await claimed_elsewhere(world, callback)
    await world.change_requests(f"lease_until = {PAST}")
    for _ in range(2):
        assert await world.code("alice", callback) == "PROVIDER_UNAVAILABLE"
    assert await world.status("alice") == ["failed"]
    assert world.provider.asked() == []
    _, ended = await world.events("action, outcome, provider, actor, client_id")
    assert ended == ("complete", "PROVIDER_UNAVAILABLE", "acme", None, None)
    assert [line["provider"] for line in world.said("claim.abandoned")] == ["acme"]


async def test_a_claim_whose_lease_still_runs_is_never_ended(world: World) -> None:
    """Neither by a callback that waits for it nor by one that gives up waiting: its holder is at work."""
    callback = await world.begin("alice")
    attempt = await claimed_elsewhere(world, callback)
    with world.clock() as clock:
        waiting = asyncio.create_task(world.code("alice", callback))
        await clock.until(waiting.done)
        # By the loop's clock the lease is over; by the database's, which decides, it is not.
        assert await waiting == "SERVICE_UNAVAILABLE"
    assert await world.status("alice") == ["exchanging"]
    assert not world.said("claim.abandoned")
    await claims.release(world.context("alice"), attempt)
    # The callback that nobody waits for any more sees the end of the claim, too.
    await world.drained()
    assert await world.code("alice", callback) is None


# After the request has ended


async def test_a_repetition_gets_the_connection_and_is_recorded(world: World) -> None:
    callback = await world.begin("alice")
    first = await world.complete("alice", callback)
    again = await world.complete("alice", callback)
    assert again == first
    assert len(world.provider.exchanges(callback.code)) == 1
    told = await world.events("action, outcome, provider, connection_id")
    assert [(*row, str(id_ or "")) for *row, id_ in told] == [
        ("authorize", "ok", "acme", ""),
        ("complete", "ok", "acme", first.id),
        ("complete", "replayed", "acme", first.id),
    ]
    assert [(line["provider"], line["status"]) for line in world.said("callback.repeated")] == [("acme", "completed")]


@pytest.mark.parametrize("change", ["unknown", "another code", "another user_id", "another provider", "expired"])
async def test_one_answer_for_all_states_that_can_not_be_used(world: World, change: str) -> None:
    """The log says why, the caller does not learn it, and each is recorded."""
    callback, user = await world.begin("alice"), "alice"
    match change:
        case "unknown":
            callback = replace(callback, state="x")
        case "another code":
            await world.complete("alice", callback)
            callback = replace(callback, code="x")
        case "another user_id":
            user = "bob"
        case "another provider":
            callback = replace(callback, provider="other")
        case _:
            # The clearing that the first authorize has started would find it.
            await world.drained()
            await world.change_requests(f"expires_at = {PAST}")
    problem = await world.problem(user, callback)
    assert (problem.code, problem.retry_after) == ("INVALID_STATE", None)
    assert problem.message == "The state is unknown, expired, already used or not yours. Start the connection again."
    assert [line["reason"] for line in world.said("state.refused")] == [change]
    assert (await world.events("action, outcome, provider"))[-1] == ("complete", "INVALID_STATE", callback.provider)


@pytest.mark.parametrize("code", FINAL)
async def test_a_failed_request_keeps_its_error(any_world: World, code: str) -> None:
    callback = await any_world.begin("alice")
    attempt = await claimed_elsewhere(any_world, callback)
    await claims.end(any_world.context("alice"), attempt, PROBLEMS[code]())
    assert await any_world.code("alice", callback) == code
    (line,) = any_world.said("callback.repeated")
    assert (line["status"], line["error"]) == ("failed", code)


@pytest.mark.parametrize("error", ["'OF_A_LATER_VERSION'", "NULL"])
async def test_a_failed_request_with_an_error_that_this_version_does_not_know(any_world: World, error: str) -> None:
    callback = await any_world.begin("alice")
    await claimed_elsewhere(any_world, callback)
    await any_world.change_requests(f"status = 'failed', error = {error}")
    assert await any_world.code("alice", callback) == "INTERNAL_ERROR"


@pytest.mark.parametrize("ended", [None, "INVALID_GRANT", "PROVIDER_UNAVAILABLE"])
async def test_a_request_that_has_ended_is_remembered_for_its_seven_days(world: World, ended: str | None) -> None:
    """Whether it was completed, refused, or left behind by a holder that died. After ten minutes it is moved."""
    callback = await world.begin("alice")
    if ended == "INVALID_GRANT":
        world.provider.refuse("invalid_grant")
    elif ended:
        await claimed_elsewhere(world, callback)
        await world.change_requests(f"lease_until = {PAST}")
    assert await world.code("alice", callback) == ended
    await world.turn_back(800)
    await world.clear()
    assert await world.status("alice") == []
    assert await world.code("alice", callback) == ended
    for another in (replace(callback, code="another"), replace(callback, provider="account")):
        assert await world.code("alice", another) == "INVALID_STATE"
    assert await world.code("bob", callback) == "INVALID_STATE"
    await world.turn_back(7 * 86400 - 60)
    await world.clear()
    assert await world.code("alice", callback) == ended
    await world.turn_back(120)
    await world.clear()
    assert await world.code("alice", callback) == "INVALID_STATE"


@pytest.mark.parametrize("gone", ["deleted", "another user's", "unknown"])
async def test_a_connection_that_is_not_there_any_more(world: World, gone: str) -> None:
    callback = await world.begin("alice")
    connection = await world.complete("alice", callback)
    match gone:
        case "deleted":
            await world.outside.fetch("DELETE FROM connection")
        case "another user's":
            await world.outside.fetch("UPDATE connection SET user_id = 'bob' WHERE id = $1", connection.id)
        case _:
            await world.change_requests("connection_id = NULL")
    assert await world.code("alice", callback) == "INVALID_STATE"


# While the provider may not be asked


async def test_a_pending_state_is_kept_while_the_circuit_is_open(any_world: World) -> None:
    callback = await any_world.begin("alice")
    await open_circuit(any_world)
    problem = await any_world.problem("alice", callback)
    assert (problem.code, problem.retry_after, problem.message) == ("PROVIDER_UNAVAILABLE", 1, AGAIN)
    assert any_world.database.count(CLAIM) == TIMEOUTS
    (line,) = any_world.said("exchange.held.back")
    assert "the provider has not answered in time lately" in line["fault"]


async def test_what_has_ended_is_answered_while_the_circuit_is_open(any_world: World) -> None:
    """And so is what never was: nobody needs the provider for that."""
    done, expired = [await any_world.begin("alice") for _ in range(2)]
    connection = await any_world.complete("alice", done)
    await any_world.change_requests(f"expires_at = {PAST} WHERE status = 'pending'")
    await open_circuit(any_world)
    assert await any_world.complete("alice", done) == connection
    for callback in (expired, replace(done, code="another"), replace(done, state="unknown")):
        problem = await any_world.problem("alice", callback)
        assert (problem.code, problem.retry_after) == ("INVALID_STATE", None)
    assert not any_world.said("exchange.held.back")


async def test_a_state_is_kept_while_too_many_exchanges_are_in_progress(any_world: World) -> None:
    """A slot is waited for, but not for long."""
    callback = await any_world.begin("alice")
    limit = any_world.resources.provider_limits.of("acme")
    permits = [await limit.permit(0) for _ in range(LIMITS[Use.EXCHANGE])]
    with any_world.clock() as clock:
        waiting = asyncio.create_task(any_world.problem("alice", callback))
        await settled()
        await clock.advance(0.45)
        assert not waiting.done()
        await clock.advance(0.1)
        await happened(waiting.done)
        problem = await waiting
        assert (problem.code, problem.retry_after) == ("SERVICE_UNAVAILABLE", 1)
        assert problem.message.startswith("Too many connections to this provider are in progress.")
        assert any_world.database.count(CLAIM) == 0
        # One that becomes free in time is used.
        waiting = asyncio.create_task(any_world.complete("alice", callback))
        await clock.advance(0.3)
        with permits.pop():
            pass
        assert (await waiting).status == "connected"
