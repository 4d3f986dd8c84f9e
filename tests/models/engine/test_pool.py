"""The pool of connections: how many there are, who gets one next, and what becomes of a slot whatever happens."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.gateway.virtual_time import settle
from tests.models.engine.pool_server import Connection, Server, loop, on_a_clock_of_its_own, running_timers

IDLE = 300


# How many, and which


@on_a_clock_of_its_own
async def test_connections_are_opened_on_demand_and_used_again() -> None:
    server = Server()
    assert server.opened == []
    for _ in range(3):
        server.pool.release(await server.pool.acquire())
    assert len(server.opened) == 1


@on_a_clock_of_its_own
async def test_there_are_no_more_than_the_size_of_the_pool() -> None:
    server = Server(size=3)
    await server.take(3)
    waiting = asyncio.create_task(server.pool.acquire())
    await settle()
    assert not waiting.done()
    assert len(server.opened) == 3
    waiting.cancel()


@on_a_clock_of_its_own
async def test_the_connection_that_was_used_last_is_used_next() -> None:
    server = Server(size=3)
    first, second, third = await server.take(3)
    for connection in (second, first, third):
        server.pool.release(connection)
    assert await server.take(3) == [third, first, second]


@on_a_clock_of_its_own
async def test_who_waits_longest_is_next() -> None:
    server = Server(size=1)
    (only,) = await server.take(1)
    order: list[str] = []

    async def use(name: str) -> None:
        connection = await server.pool.acquire()
        assert connection is only
        order.append(name)
        server.pool.release(connection)

    tasks = [asyncio.create_task(use(name)) for name in "abc"]
    await settle()
    assert order == []
    server.pool.release(only)
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c"]
    assert await server.free() == 1


@on_a_clock_of_its_own
async def test_an_idle_connection_that_the_server_closed_is_not_used() -> None:
    server = Server()
    first, second = await server.take(2)
    server.pool.release(first)
    server.pool.release(second)
    second.closed = "by the server"
    assert await server.take(1) == [first]
    first.closed = "by the server"
    server.pool.release(first)
    assert [one.number for one in await server.take(2)] == [3, 4]


@on_a_clock_of_its_own
async def test_a_connection_that_broke_is_closed_and_frees_its_slot() -> None:
    server = Server()
    first, second = await server.take(2)
    server.pool.discard(first)
    assert (first.closed, second.closed) == ("terminated", "")
    assert [one.number for one in await server.take(1)] == [3]


# Waiting


@on_a_clock_of_its_own
async def test_waiting_for_a_slot_ends_after_the_limit() -> None:
    server = Server(size=1, seconds=10)
    (only,) = await server.take(1)
    waiting = asyncio.create_task(server.pool.acquire())
    await settle()
    await asyncio.sleep(9.9)
    assert not waiting.done()
    await asyncio.sleep(0.2)
    with pytest.raises(TimeoutError):
        await waiting
    # A slot that is released is not given to who has gone.
    server.pool.release(only)
    assert await server.free() == 1


@on_a_clock_of_its_own
async def test_nothing_is_kept_of_who_has_gone() -> None:
    """A silent standby may keep all slots in use for hours."""
    server = Server(size=1, seconds=10)
    await server.take(1)

    async def wait(what: Callable[[], Awaitable[object]]) -> weakref.ref[Any]:
        request = Connection(0)
        with suppress(TimeoutError):
            await what()
        return weakref.ref(request)

    too_long = await wait(server.pool.acquire)
    cancelled = await wait(lambda: asyncio.wait_for(server.pool.acquire(), 5))
    gc.collect()
    assert too_long() is None
    assert cancelled() is None


@on_a_clock_of_its_own
async def test_without_a_limit_a_slot_is_waited_for_however_long() -> None:
    server = Server(size=1, seconds=None)
    (only,) = await server.take(1)
    waiting = asyncio.create_task(server.pool.acquire())
    await settle()
    await asyncio.sleep(1_000_000)
    assert not waiting.done()
    server.pool.release(only)
    assert await waiting is only
    assert server.limits == [None]


@on_a_clock_of_its_own
async def test_a_slot_in_time_leaves_no_timer_behind() -> None:
    server = Server(size=1, seconds=10)
    (only,) = await server.take(1)
    waiting = asyncio.create_task(server.pool.acquire())
    await settle()
    before = running_timers()
    server.pool.release(only)
    assert await waiting is only
    # That of the wait is gone, and that of the idle connection has come.
    assert (len(before), len(running_timers())) == (1, 1)
    assert running_timers() != before


@on_a_clock_of_its_own
async def test_a_slot_at_the_moment_when_the_limit_ends() -> None:
    """Both are due when the loop comes to it, as on a busy machine: who waits has the slot."""
    server = Server(size=1, seconds=10)
    (only,) = await server.take(1)
    waiting = asyncio.create_task(server.pool.acquire())
    await settle()
    loop().call_at(9.9, server.pool.release, only)
    loop().now += 20
    await settle()
    assert await waiting is only


@on_a_clock_of_its_own
async def test_connecting_has_what_is_left_of_the_limit() -> None:
    server = Server(size=1, seconds=10)
    (first,) = await server.take(1)
    waiting = asyncio.create_task(server.pool.acquire())
    await settle()
    await asyncio.sleep(4)
    server.pool.discard(first)
    second = await waiting
    assert server.limits == [10, pytest.approx(6)]
    # At least a tenth of it, so that it has a chance.
    waiting = asyncio.create_task(server.pool.acquire())
    await settle()
    await asyncio.sleep(9.5)
    server.pool.discard(second)
    await waiting
    assert server.limits[2] == 1


# Slots of those who fail or go


@on_a_clock_of_its_own
async def test_a_connection_that_can_not_be_opened_keeps_no_slot() -> None:
    server = Server()
    server.fault = ConnectionRefusedError()
    for _ in range(5):
        with pytest.raises(ConnectionRefusedError):
            await server.pool.acquire()
    server.fault = None
    assert await server.free() == 2


@on_a_clock_of_its_own
async def test_who_is_cancelled_while_connecting_keeps_no_slot() -> None:
    server = Server()
    server.ready.clear()
    tasks = [asyncio.create_task(server.pool.acquire()) for _ in range(2)]
    await settle()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    server.ready.set()
    assert await server.free() == 2


@on_a_clock_of_its_own
async def test_who_is_cancelled_while_waiting_keeps_no_slot() -> None:
    server = Server(size=1)
    (only,) = await server.take(1)
    gone, stays = (asyncio.create_task(server.pool.acquire()) for _ in range(2))
    await settle()
    gone.cancel()
    await settle()
    server.pool.release(only)
    assert await stays is only
    server.pool.release(only)
    assert await server.free() == 1
    # Their timers are gone as well.
    await asyncio.sleep(20)


@on_a_clock_of_its_own
async def test_who_is_cancelled_at_the_moment_of_getting_a_slot_passes_it_on() -> None:
    server = Server(size=1)
    (only,) = await server.take(1)
    gone, stays = (asyncio.create_task(server.pool.acquire()) for _ in range(2))
    await settle()
    server.pool.release(only)
    gone.cancel()
    await settle()
    assert gone.cancelled()
    assert await stays is only
    server.pool.release(only)
    assert await server.free() == 1


@on_a_clock_of_its_own
async def test_who_is_cancelled_at_the_moment_when_the_limit_ends_makes_no_slot() -> None:
    server = Server(size=1, seconds=10)
    (only,) = await server.take(1)
    gone = asyncio.create_task(server.pool.acquire())
    await settle()
    loop().now += 20
    loop().call_at(10.1, gone.cancel)
    await settle()
    assert gone.cancelled()
    server.pool.release(only)
    assert await server.free() == 1


# Connections of before


@on_a_clock_of_its_own
async def test_expired_connections_are_closed_those_in_use_when_they_are_released() -> None:
    server = Server(size=3)
    used, idle, also_idle = await server.take(3)
    server.pool.release(idle)
    server.pool.release(also_idle)
    server.pool.expire_connections()
    assert [one.closed for one in (used, idle, also_idle)] == ["", "terminated", "terminated"]
    (later,) = await server.take(1)
    server.pool.release(used)
    server.pool.release(later)
    assert (used.closed, later.closed) == ("terminated", "")
    assert await server.take(1) == [later]
    server.pool.release(later)
    assert await server.free() == 3


@on_a_clock_of_its_own
async def test_a_connection_that_is_being_opened_expires_as_well() -> None:
    """It may lead to the server of before."""
    server = Server()
    server.ready.clear()
    opening = asyncio.create_task(server.pool.acquire())
    await settle()
    server.pool.expire_connections()
    server.ready.set()
    connection = await opening
    assert connection.closed == ""
    server.pool.release(connection)
    assert connection.closed == "terminated"
    assert await server.free() == 2


@on_a_clock_of_its_own
async def test_connections_that_are_idle_for_five_minutes_are_closed() -> None:
    server = Server(size=3)
    connections = await server.take(3)
    for connection in connections:
        server.pool.release(connection)
        await asyncio.sleep(100)
    assert [one.closed for one in connections] == ["terminated", "", ""]
    await asyncio.sleep(IDLE - 1)
    assert connections[2].closed == ""
    await asyncio.sleep(IDLE)
    assert [one.closed for one in connections] == ["terminated"] * 3
    # Nothing is looked at when nothing is idle.
    assert running_timers() == []
    assert await server.free() == 3


@on_a_clock_of_its_own
async def test_a_connection_that_is_used_now_and_then_stays() -> None:
    server = Server()
    for _ in range(10):
        await asyncio.sleep(IDLE - 10)
        server.pool.release(await server.pool.acquire())
    assert len(server.opened) == 1
    # And when there was none for a while, the next one does not stay for ever either.
    await asyncio.sleep(3 * IDLE)
    server.pool.release(await server.pool.acquire())
    assert [one.closed for one in server.opened] == ["terminated", ""]
    await asyncio.sleep(2 * IDLE)
    assert [one.closed for one in server.opened] == ["terminated"] * 2


# The end


@on_a_clock_of_its_own
async def test_closing_closes_idle_connections_and_others_when_they_are_released() -> None:
    server = Server(size=3)
    used, idle, also_idle = await server.take(3)
    server.pool.release(idle)
    server.pool.release(also_idle)
    await server.pool.close()
    assert [one.closed for one in (used, idle, also_idle)] == ["", "closed within 5", "closed within 5"]
    server.pool.release(used)
    assert used.closed == "terminated"
    with pytest.raises(ConnectionError, match=r"^closed$"):
        await server.pool.acquire()
    assert running_timers() == []


@on_a_clock_of_its_own
async def test_closing_waits_for_all_connections_at_once() -> None:
    """A host that has vanished answers none of them."""
    server = Server(size=8)
    connections = await server.take(8)
    for connection in connections:
        connection.silent = True
        server.pool.release(connection)
    began = loop().time()
    await server.pool.close()
    assert loop().time() - began == 5
    assert {one.closed for one in connections} == {"terminated"}


@on_a_clock_of_its_own
async def test_a_pool_that_was_never_used_is_closed() -> None:
    server = Server()
    await server.pool.close()
    assert server.opened == []
