"""The pool while the server accepts no more connections, or is silent. No slot is lost, whatever happens."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from models.engine.pool import Pool
from tests.gateway.virtual_time import settle
from tests.models.engine.pool_server import Connection, Server, loop, on_a_clock_of_its_own, running_timers


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
