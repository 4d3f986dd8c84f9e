"""Callers who need new tokens of the same connection, in one process and in several."""

from __future__ import annotations

import asyncio

import pytest

from models.connection import StoredConnection
from models.database import DatabaseDown
from resolvers.errors import Problem, ServiceUnavailable
from resolvers.tokens.issue import IssuedToken
from tests.loop_clock import happened, settled
from tests.resolvers.ending.endings import disconnect
from tests.resolvers.tokens.services import (
    FIND,
    another_process,
    columns,
    expired,
    hold,
    issue,
    pass_time,
    problem,
)
from tests.resolvers.world import LEASE, World

QUIET = 60.0


async def test_all_callers_in_all_processes_share_one_refresh(world: World) -> None:
    connection = await expired(world)
    processes = [another_process(world), another_process(world)]
    calls = [issue(world, connection, context=process) for process in processes for _ in range(25)]
    answers = await asyncio.gather(*calls)
    assert {answer.access_token for answer in answers} == {world.provider.last[0]}
    assert len(world.provider.refreshes()) == 1
    assert await columns(world, "epoch, version") == (1, 2)


async def test_a_failure_is_everybodys(world: World) -> None:
    connection = await expired(world)
    world.provider.refuse("unknown")
    processes = [another_process(world), another_process(world)]
    calls = [problem(issue(world, connection, context=process)) for process in processes for _ in range(10)]
    answers = await asyncio.gather(*calls)
    assert {answer.code for answer in answers} == {"PROVIDER_UNAVAILABLE"}
    assert all(answer.retry_after for answer in answers)
    assert len({id(answer) for answer in answers}) == 20
    assert len(world.provider.refreshes()) == 1


async def test_a_database_that_goes_down_while_callers_wait(world: World) -> None:
    connection = await expired(world)
    # After the callers themselves have read the row.
    world.database.fail(FIND, times=0)
    waiting = [asyncio.create_task(problem(issue(world, connection))) for _ in range(3)]

    async def down() -> None:
        world.database.away = True

    world.provider.meanwhile["/token"] = down
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, Problem | DatabaseDown) for one in done)
    world.database.away = False
    with world.clock() as clock:
        await clock.until(lambda: world.said("connection.refreshed"))


async def test_a_provider_slower_than_the_lease(world: World) -> None:
    """Callers of both processes have their answer in time, and nothing is sent twice."""
    connection = await expired(world)
    world.provider.leave.clear()
    processes = [another_process(world), another_process(world)]
    calls = [
        asyncio.create_task(problem(issue(world, connection, context=process)))
        for process in processes
        for _ in range(5)
    ]
    with world.clock() as clock:
        took = await clock.until(lambda: all(call.done() for call in calls))
    assert took <= LEASE + 3
    assert {call.result().code for call in calls} <= {"PROVIDER_UNAVAILABLE", "SERVICE_UNAVAILABLE"}
    assert all(call.result().retry_after for call in calls)
    assert len(world.provider.refreshes()) == 1
    assert await columns(world, "unsure, status") == (1, "connected")


async def test_nobody_waits_for_a_holder_that_died(world: World) -> None:
    connection = await expired(world)
    await world.outside.fetch("UPDATE connection SET owner = 'dead', epoch = 1, lease_until = granted_at")
    call = asyncio.create_task(problem(issue(world, connection)))
    with world.clock() as clock:
        took = await clock.until(call.done)
    assert took <= 1
    assert call.result().code == "SERVICE_UNAVAILABLE"
    assert QUIET - 5 <= (call.result().retry_after or 0) <= QUIET


async def test_a_lease_of_another_process_is_waited_for(world: World) -> None:
    """As long as it lasts, and not for longer: it holds a lease that lasts for ever."""
    connection = await expired(world)
    await hold(world)
    call = asyncio.create_task(problem(issue(world, connection)))
    with world.clock() as clock:
        took = await clock.until(call.done)
    assert LEASE <= took <= LEASE + 3
    assert call.result().code == "SERVICE_UNAVAILABLE"
    assert world.provider.refreshes() == []


async def released(world: World, change: str) -> IssuedToken | Problem:
    """What a caller gets who waits for a lease that another process ends with this change of the row."""
    connection = await expired(world)
    await hold(world)
    call = asyncio.create_task(issue(world, connection))
    with world.clock() as clock:
        await clock.advance(3)
        assert not call.done()
        await world.outside.fetch(f"UPDATE connection SET {change}")
        await clock.until(call.done, limit=2)
    try:
        return call.result()
    except Problem as found:
        return found


LEFT = "owner = NULL, lease_until = NULL"


async def test_who_waits_goes_on_when_nothing_was_sent(world: World) -> None:
    found = await released(world, LEFT)
    assert isinstance(found, IssuedToken)
    assert len(world.provider.refreshes()) == 1


async def test_who_waits_learns_that_it_failed(world: World) -> None:
    found = await released(world, f"{LEFT}, failures = 1, retry_at = '2199-01-01 00:00:00.000000+00:00'")
    assert isinstance(found, Problem)
    assert (found.code, world.provider.refreshes()) == ("PROVIDER_UNAVAILABLE", [])


async def test_who_waits_learns_that_it_is_over(world: World) -> None:
    found = await released(world, f"{LEFT}, status = 'error', status_reason = 'reauthorization_required'")
    assert isinstance(found, Problem)
    assert (found.code, world.provider.refreshes()) == ("REAUTHORIZATION_REQUIRED", [])


async def test_who_waits_learns_that_it_was_disconnected(world: World) -> None:
    connection = await expired(world)
    await hold(world)
    call = asyncio.create_task(problem(issue(world, connection)))
    with world.clock() as clock:
        await clock.advance(1)
        ending = asyncio.create_task(disconnect(world, "alice", connection))
        await clock.until(lambda: call.done() and ending.done(), limit=3)
    assert call.result().code == "REAUTHORIZATION_REQUIRED"


async def test_who_waits_learns_that_the_user_is_forgotten(world: World) -> None:
    connection = await expired(world)
    await hold(world)
    call = asyncio.create_task(problem(issue(world, connection)))
    with world.clock() as clock:
        await clock.advance(1)
        await world.outside.fetch("DELETE FROM connection")
        await clock.until(call.done, limit=2)
    assert call.result().code == "CONNECTION_NOT_FOUND"


@pytest.mark.parametrize("slug", ["reusable", "acme"])
async def test_a_caller_is_not_kept_for_a_second_lease(world: World, slug: str) -> None:
    """The holder dies, and then the provider hangs."""
    connection = await expired(world, slug)
    await hold(world)
    world.provider.leave.clear()
    call = asyncio.create_task(problem(issue(world, connection)))
    with world.clock() as clock:
        await clock.advance(0.1)
        await clock.advance(LEASE - 2.1, step=0.5)
        await world.outside.fetch("UPDATE connection SET lease_until = granted_at")
        took = await clock.until(call.done)
        assert took <= 5
        assert call.result().retry_after
        world.provider.leave.set()
        await clock.until(lambda: not world.resources.refreshes.is_full("x") and world.database.running == 0)
    assert len(world.provider.refreshes()) == (1 if slug == "reusable" else 0)


async def test_a_refresh_that_began_before_is_not_the_callers(world: World) -> None:
    """Whoever joins it may have its tokens already, and need newer ones."""
    connection = await expired(world)
    later: list[asyncio.Task[IssuedToken]] = []

    async def join() -> None:
        await pass_time(world, 3590)
        reads = world.database.count(FIND)
        later.append(asyncio.create_task(issue(world, connection)))
        await happened(lambda: world.database.count(FIND) > reads and not world.database.running)
        await settled()

    async def meanwhile() -> None:
        # The tokens are stored by then, and whoever has waited for them does not have them yet.
        world.database.delay(FIND, join)

    world.provider.meanwhile["/token"] = meanwhile
    first = await issue(world, connection)
    second = await later[0]
    assert [body["access_token"] for body in world.provider.issued[1:]] == [first.access_token, second.access_token]
    assert len(world.provider.refreshes()) == 2


async def test_callers_of_a_hung_provider_are_limited(any_world: World) -> None:
    """For each connection, for each provider and for all, so that they don't take all slots of the process."""
    connections = [
        await expired(any_world, slug, user)
        for slug, user in (("acme", "alice"), ("acme", "bob"), ("acme", "carol"), ("reusable", "dave"))
    ]
    go_on = asyncio.Event()
    any_world.provider.meanwhile["/token"] = go_on.wait
    waiting: list[asyncio.Task[IssuedToken]] = []

    async def ask(connection: StoredConnection, callers: int) -> int:
        """How many of them wait. The others are told at once to come again."""
        asked = [asyncio.create_task(issue(any_world, connection)) for _ in range(callers)]
        # Each reads the row, and then waits or is refused and recorded.
        await happened(lambda: not any_world.database.running and sum(task.done() for task in asked) >= callers - 64)
        await settled()
        refused = [task.exception() for task in asked if task.done()]
        assert {(type(fault), getattr(fault, "retry_after", None)) for fault in refused} <= {(ServiceUnavailable, 1)}
        waiting.extend(task for task in asked if not task.done())
        return callers - len(refused)

    assert [await ask(connection, 70) for connection in connections] == [64, 32, 0, 64]
    go_on.set()
    answers = await asyncio.gather(*waiting)
    assert len({answer.access_token for answer in answers}) == 3
    # Nobody waits any more.
    assert await issue(any_world, connections[2])
