"""Flights: work reaches its end whoever stops waiting for it, and waiters hear of its end at once."""

from __future__ import annotations

import asyncio
import gc
from time import monotonic

import pytest
from suspended import run_and_cancel

from resolvers.flights import Flights, StillRunning

# Far above what anything here takes.
PATIENCE = 5


class Work:
    """Ends when told to."""

    def __init__(self) -> None:
        self.leave = asyncio.Event()
        self.begun = asyncio.Event()
        self.ended = self.cancelled = False

    async def run(self) -> str:
        self.begun.set()
        try:
            await self.leave.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        self.ended = True
        return "done"

    async def fail(self) -> None:
        await self.run()
        raise ZeroDivisionError


async def begin(flights: Flights, work: Work) -> asyncio.Task[str]:
    waiter = asyncio.create_task(flights.see_through(work.run()))
    await work.begun.wait()
    return waiter


async def hang_up(waiter: asyncio.Task[str]) -> None:
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_the_result_comes_back() -> None:
    flights, work = Flights(), Work()
    work.leave.set()
    assert await flights.see_through(work.run()) == "done"
    assert not flights._tasks


async def test_what_was_raised_comes_back() -> None:
    flights, work = Flights(), Work()
    work.leave.set()
    with pytest.raises(ZeroDivisionError):
        await flights.see_through(work.fail())
    assert not flights._tasks


async def test_a_waiter_that_hangs_up_cancels_nothing() -> None:
    flights, work = Flights(), Work()
    await hang_up(await begin(flights, work))
    assert not work.ended
    work.leave.set()
    async with asyncio.timeout(PATIENCE):
        await flights.drain()
    assert (work.ended, work.cancelled) == (True, False)


async def test_a_waiter_that_waits_no_longer_cancels_nothing() -> None:
    flights, work = Flights(), Work()
    with pytest.raises(StillRunning):
        await flights.see_through(work.run(), 0.05)
    assert (work.ended, work.cancelled) == (False, False)
    work.leave.set()
    async with asyncio.timeout(PATIENCE):
        await flights.drain()
    assert (work.ended, work.cancelled) == (True, False)


async def test_what_ends_in_time_comes_back_and_leaves_no_timer() -> None:
    flights, work = Flights(), Work()
    work.leave.set()
    assert await flights.see_through(work.run(), 0.05) == "done"
    with pytest.raises(ZeroDivisionError):
        await flights.see_through(work.fail(), 0.05)
    await asyncio.sleep(0.1)
    last = Work()
    waiter = asyncio.create_task(flights.see_through(last.run(), PATIENCE))
    await asyncio.sleep(0)
    await hang_up(waiter)
    last.leave.set()
    await flights.drain()


async def test_a_failure_that_nobody_waits_for_is_quiet() -> None:
    """Asyncio would report it as never retrieved, and such a report fails this test."""
    flights, work, reports = Flights(), Work(), list[dict[str, object]]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, report: reports.append(report))
    try:
        await run_and_cancel(_wait(flights, work), 1)
        work.leave.set()
        await flights.drain()
        gc.collect()
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    assert work.ended
    assert reports == []


async def _wait(flights: Flights, work: Work) -> None:
    await flights.see_through(work.fail())


async def test_draining_waits_for_all() -> None:
    flights, works = Flights(), [Work() for _ in range(3)]
    for work in works:
        await begin(flights, work)
    draining = asyncio.create_task(flights.drain())
    for work in works:
        for _ in range(5):
            await asyncio.sleep(0)
        assert not draining.done()
        work.leave.set()
    async with asyncio.timeout(PATIENCE):
        await draining
    assert all(work.ended for work in works)


async def test_draining_waits_for_what_began_meanwhile() -> None:
    flights, first, second = Flights(), Work(), Work()
    await begin(flights, first)
    draining = asyncio.create_task(flights.drain())
    await asyncio.sleep(0)
    await begin(flights, second)
    first.leave.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert first.ended
    assert not draining.done()
    second.leave.set()
    async with asyncio.timeout(PATIENCE):
        await draining
    assert second.ended


async def test_draining_outlives_a_failure() -> None:
    flights, failing, work = Flights(), Work(), Work()
    await run_and_cancel(_wait(flights, failing), 1)
    await begin(flights, work)
    failing.leave.set()
    work.leave.set()
    async with asyncio.timeout(PATIENCE):
        await flights.drain()
    assert work.ended


async def test_who_gives_up_draining_cancels_nothing() -> None:
    flights, work = Flights(), Work()
    await begin(flights, work)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await flights.drain()
    work.leave.set()
    async with asyncio.timeout(PATIENCE):
        await flights.drain()
    assert (work.ended, work.cancelled) == (True, False)


async def test_nothing_to_drain() -> None:
    await Flights().drain()


async def test_a_pause_ends_when_the_work_lands() -> None:
    flights = Flights()
    began = monotonic()
    with flights.under_way("key"):
        pausing = [asyncio.create_task(flights.pause("key", 60)) for _ in range(3)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert not any(pause.done() for pause in pausing)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*pausing)
    assert monotonic() - began < PATIENCE


async def test_a_pause_ends_when_the_work_fails() -> None:
    flights = Flights()
    exchange = flights.under_way("key")
    exchange.__enter__()
    pausing = asyncio.create_task(flights.pause("key", 60))
    await asyncio.sleep(0)
    assert not exchange.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    async with asyncio.timeout(PATIENCE):
        await pausing


async def test_a_pause_for_what_runs_elsewhere() -> None:
    flights = Flights()
    began = monotonic()
    with flights.under_way("key"):
        await flights.pause("another", 0.05)
    assert 0.04 < monotonic() - began < PATIENCE


async def test_a_pause_has_an_end() -> None:
    flights = Flights()
    began = monotonic()
    with flights.under_way("key"):
        await flights.pause("key", 0.01)
    assert 0.009 < monotonic() - began < PATIENCE


async def test_a_pause_can_be_cancelled() -> None:
    flights = Flights()
    with flights.under_way("key"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await flights.pause("key", 60)
        pausing = asyncio.create_task(flights.pause("key", 60))
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await pausing


async def test_one_lands_while_another_has_begun_for_the_same_key() -> None:
    """As when a claim is given back and taken again before the first has left."""
    flights = Flights()
    first, second = flights.under_way("key"), flights.under_way("key")
    first.__enter__()
    with second:
        first.__exit__(None, None, None)
        pausing = asyncio.create_task(flights.pause("key", 60))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not pausing.done()
    async with asyncio.timeout(PATIENCE):
        await pausing
    assert flights._landings == {}


async def test_what_nobody_waits_for_is_given_a_moment_at_the_end() -> None:
    flights, quick, endless = Flights(), Work(), Work()
    flights.meanwhile(quick.run())
    flights.meanwhile(endless.run())
    await quick.begun.wait()
    quick.leave.set()
    began = monotonic()
    async with asyncio.timeout(PATIENCE):
        await flights.drain()
    assert monotonic() - began < PATIENCE / 2 + 1
    assert (quick.ended, endless.cancelled) == (True, True)
    assert not flights._chores
