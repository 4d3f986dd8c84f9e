"""The pool of connections: how many there are, who gets one next, and what becomes of a slot whatever happens.

The connections are not real, and no time passes but that of the loop's own clock.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps
from random import Random
from typing import Any

import pytest

from models.engine.pool import Pool
from tests.gateway.virtual_time import VirtualTimeLoop, settle

IDLE = 300


def on_a_clock_of_its_own(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*values: Any, **named: Any) -> None:
        faults: list[dict[str, Any]] = []

        async def main() -> None:
            loop().set_exception_handler(lambda _, context: faults.append(context))
            await test(*values, **named)

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(main())
        assert faults == []

    return run


def loop() -> VirtualTimeLoop:
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualTimeLoop)
    return running


def running_timers() -> list[asyncio.TimerHandle]:
    timers: list[asyncio.TimerHandle] = loop()._scheduled  # pyright: ignore[reportAttributeAccessIssue]
    return [timer for timer in timers if not timer.cancelled()]


class Connection:
    """What the pool uses of one."""

    generation: int
    idle_since: float

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = ""
        self.silent = False

    def is_closed(self) -> bool:
        return bool(self.closed)

    def terminate(self) -> None:
        self.closed = self.closed or "terminated"

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 - as asyncpg has it
        await asyncio.sleep(timeout if self.silent else 0)
        if self.silent:
            self.terminate()
            raise TimeoutError
        self.closed = self.closed or f"closed within {timeout}"


class Server:
    """Opens connections, numbered from 1, as soon as `ready` is set. `limits` are the time limits it was given."""

    def __init__(self, size: int = 2, seconds: float | None = 10) -> None:
        self.limits: list[float | None] = []
        self.opened: list[Connection] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self.fault: Exception | None = None
        self.pool = Pool(self._connect, size, seconds, clock=loop().time)

    async def _connect(self, seconds: float | None) -> Connection:
        self.limits.append(seconds)
        await self.ready.wait()
        if self.fault is not None:
            raise self.fault
        self.opened.append(Connection(len(self.opened) + 1))
        return self.opened[-1]

    async def take(self, count: int) -> list[Connection]:
        return [await self.pool.acquire() for _ in range(count)]

    async def free(self) -> int:
        """How many can be taken without a wait. Gives them back."""
        taken: list[Connection] = []
        while True:
            task = asyncio.create_task(self.pool.acquire())
            await settle()
            if not task.done():
                task.cancel()
                await settle()
                break
            taken.append(task.result())
        for connection in taken:
            self.pool.release(connection)
        return len(taken)


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
async def test_who_waits_when_the_pool_is_closed_fails_at_once() -> None:
    server, began = LimitedServer(most=1, size=2, seconds=None), loop().time()
    (only,) = await server.take(1)
    waiting = [asyncio.create_task(server.pool.acquire()) for _ in range(3)]
    await settle()
    await server.pool.close()
    for task in waiting:
        with pytest.raises(ConnectionError, match=r"^closed$"):
            await task
    server.pool.release(only)
    assert only.closed == "terminated"
    assert loop().time() == began
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


# A server that is silent


@on_a_clock_of_its_own
async def test_idle_connections_are_not_trusted_while_another_waits_for_long() -> None:
    """A caller who comes while the first one waits for a host that has vanished doesn't wait for it, too."""
    server = Server(size=4)
    first, second, third, fourth = await server.take(4)
    for connection in (fourth, third, second, first):
        server.pool.release(connection)
    assert await server.take(1) == [first]
    await asyncio.sleep(0.9)
    # It comes back, so the server answers.
    assert await server.take(1) == [second]
    server.pool.release(second)
    await asyncio.sleep(0.2)
    assert await server.take(1) == [second]
    (fifth,) = await server.take(1)
    assert (fifth.number, third.is_closed(), fourth.is_closed()) == (5, True, True)
    for connection in (first, second, fifth):
        server.pool.release(connection)
    assert await server.free() == 4


@on_a_clock_of_its_own
async def test_idle_connections_are_trusted_when_all_others_were_answered() -> None:
    server = Server(size=3)
    taken = await server.take(3)
    await asyncio.sleep(5)
    for connection in taken:
        server.pool.release(connection)
    await asyncio.sleep(100)
    assert set(await server.take(3)) == set(taken)


# A server that accepts no more connections


class Full(Exception):
    """What the server answers then."""


class LimitedServer(Server):
    """Accepts `most` connections at a time."""

    def __init__(self, most: int, size: int = 4, seconds: float | None = 10) -> None:
        super().__init__(size, seconds)
        self.most = most
        self.pool = Pool(
            self._connect_if_free, size, seconds, is_full=lambda error: isinstance(error, Full), clock=loop().time
        )

    async def _connect_if_free(self, seconds: float | None) -> Connection:
        if len([one for one in self.opened if not one.is_closed()]) >= self.most:
            self.limits.append(seconds)
            await self.ready.wait()
            raise Full
        return await self._connect(seconds)


@on_a_clock_of_its_own
async def test_who_gets_none_from_the_server_waits_for_one_of_ours() -> None:
    server = LimitedServer(most=1)
    (only,) = await server.take(1)
    waiting = [asyncio.create_task(server.pool.acquire()) for _ in range(2)]
    await settle()
    server.pool.release(only)
    await settle()
    assert [task.done() for task in waiting] == [True, False] or [task.done() for task in waiting] == [False, True]
    server.pool.release(only)
    assert await asyncio.gather(*waiting) == [only, only]


@on_a_clock_of_its_own
async def test_who_has_none_at_all_fails_at_once() -> None:
    server, began = LimitedServer(most=0), loop().time()
    for _ in range(6):
        with pytest.raises(Full):
            await server.pool.acquire()
    assert loop().time() == began
    # The server is asked again after a second.
    assert len(server.limits) == 1
    await asyncio.sleep(1)
    server.most = 4
    assert await server.free() == 4


@on_a_clock_of_its_own
async def test_several_at_once_who_have_none_at_all_fail_at_once() -> None:
    """None of them waits for a connection that another one doesn't get either."""
    server, began = LimitedServer(most=0, size=4, seconds=5), loop().time()
    server.ready.clear()
    tasks = [asyncio.create_task(server.pool.acquire()) for _ in range(20)]
    await settle()
    server.ready.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(error) for error in ended} == {Full}
    assert loop().time() == began
    assert len(server.limits) == 4
    await asyncio.sleep(10)
    server.most = 4
    assert await server.free() == 4


@on_a_clock_of_its_own
async def test_a_connection_that_was_released_while_the_server_refused_another_one() -> None:
    server, began = LimitedServer(most=1), loop().time()
    (only,) = await server.take(1)
    server.ready.clear()
    waiting = asyncio.create_task(server.pool.acquire())
    await settle()
    server.pool.release(only)
    server.ready.set()
    assert await waiting is only
    assert loop().time() == began
    server.pool.release(only)
    await asyncio.sleep(10)
    server.most = 4
    assert await server.free() == 4


@on_a_clock_of_its_own
async def test_a_server_that_was_full_a_moment_ago_is_asked_once_it_has_accepted_another() -> None:
    server = LimitedServer(most=0)
    with pytest.raises(Full):
        await server.pool.acquire()
    await asyncio.sleep(1)
    server.most = 1
    (only,) = await server.take(1)
    server.pool.discard(only)
    assert len(await server.take(1)) == 1


@on_a_clock_of_its_own
async def test_whoever_waits_for_too_long_gets_the_servers_answer() -> None:
    server = LimitedServer(most=1, seconds=5)
    (only,) = await server.take(1)
    began = loop().time()
    with pytest.raises(Full):
        await server.pool.acquire()
    assert 5 <= loop().time() - began <= 5.5
    server.pool.release(only)
    assert await server.take(1) == [only]


@on_a_clock_of_its_own
async def test_a_full_server_is_asked_once_a_second() -> None:
    server = LimitedServer(most=1, size=4, seconds=1000)
    await server.take(1)
    waiting = [asyncio.create_task(server.pool.acquire()) for _ in range(20)]
    await asyncio.sleep(0.5)
    # One for each slot, when the server was not yet known to be full.
    assert len(server.limits) == 1 + 3
    await asyncio.sleep(100)
    assert 90 <= len(server.limits) <= 1 + 3 + 101
    for task in waiting:
        task.cancel()


@on_a_clock_of_its_own
async def test_the_pool_grows_again_when_the_server_accepts_more() -> None:
    server = LimitedServer(most=1, size=4, seconds=1000)
    await server.take(1)
    waiting = [asyncio.create_task(server.pool.acquire()) for _ in range(3)]
    await asyncio.sleep(0.5)
    server.most = 4
    await asyncio.sleep(1)
    assert [task.done() for task in waiting] == [True] * 3
    assert len(server.opened) == 4


@on_a_clock_of_its_own
async def test_who_is_cancelled_while_the_server_is_full_keeps_no_slot() -> None:
    server = LimitedServer(most=1, size=4, seconds=1000)
    (only,) = await server.take(1)
    gone = [asyncio.create_task(server.pool.acquire()) for _ in range(5)]
    await settle()
    for task in gone:
        task.cancel()
    await settle()
    server.pool.release(only)
    server.most = 4
    await asyncio.sleep(10)
    assert await server.free() == 4


@pytest.mark.parametrize("seed", range(40))
def test_no_slot_is_lost_or_made_whatever_happens(seed: int) -> None:
    """Callers come, are cancelled, time out and fail in any order, while the server accepts more and fewer."""

    @on_a_clock_of_its_own
    async def run() -> None:
        chance = Random(seed)
        server = LimitedServer(most=chance.randint(0, 5), size=4, seconds=5)
        tasks = [asyncio.create_task(_use(server, chance)) for _ in range(60)]
        for _ in range(60):
            await asyncio.sleep(chance.choice((0, 0, 0.1, 1)))
            assert len([one for one in server.opened if not one.is_closed()]) <= 4
            match chance.randrange(5):
                case 0:
                    chance.choice(tasks).cancel()
                case 1:
                    server.most = chance.randint(0, 5)
                case 2:
                    server.pool.expire_connections()
                case 3:
                    tasks.append(asyncio.create_task(_use(server, chance)))
                case _:
                    server.fault = chance.choice((None, None, OSError()))
        await asyncio.gather(*tasks, return_exceptions=True)
        server.most, server.fault = 5, None
        await asyncio.sleep(10)
        assert await server.free() == 4

    run()


async def _use(server: Server, chance: Random) -> None:
    await asyncio.sleep(chance.choice((0, 0.5, 3)))
    connection = await server.pool.acquire()
    try:
        await asyncio.sleep(chance.choice((0, 0.1, 2)))
    finally:
        chance.choice((server.pool.release, server.pool.release, server.pool.discard))(connection)
