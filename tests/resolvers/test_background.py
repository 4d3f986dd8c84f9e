"""Background tasks reach their end even if nobody waits for them any more."""

from __future__ import annotations

import asyncio
import gc
from time import monotonic

import pytest

from resolvers.background import Background, StillRunning
from tests.suspended import run_and_cancel

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


async def begin(background: Background, work: Work) -> asyncio.Task[str]:
    waiter = asyncio.create_task(background.run(work.run()))
    await work.begun.wait()
    return waiter


async def hang_up(waiter: asyncio.Task[str]) -> None:
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_the_result_comes_back() -> None:
    background, work = Background(), Work()
    work.leave.set()
    assert await background.run(work.run()) == "done"
    assert not background._tasks


async def test_what_was_raised_comes_back() -> None:
    background, work = Background(), Work()
    work.leave.set()
    with pytest.raises(ZeroDivisionError):
        await background.run(work.fail())
    assert not background._tasks


async def test_a_waiter_that_hangs_up_cancels_nothing() -> None:
    background, work = Background(), Work()
    await hang_up(await begin(background, work))
    assert not work.ended
    work.leave.set()
    async with asyncio.timeout(PATIENCE):
        await background.drain()
    assert (work.ended, work.cancelled) == (True, False)


async def test_a_waiter_that_waits_no_longer_cancels_nothing() -> None:
    background, work = Background(), Work()
    with pytest.raises(StillRunning):
        await background.run(work.run(), 0.05)
    assert (work.ended, work.cancelled) == (False, False)
    work.leave.set()
    async with asyncio.timeout(PATIENCE):
        await background.drain()
    assert (work.ended, work.cancelled) == (True, False)


async def test_what_ends_in_time_comes_back_and_leaves_no_timer() -> None:
    background, work = Background(), Work()
    work.leave.set()
    assert await background.run(work.run(), 0.05) == "done"
    with pytest.raises(ZeroDivisionError):
        await background.run(work.fail(), 0.05)
    await asyncio.sleep(0.1)
    last = Work()
    waiter = asyncio.create_task(background.run(last.run(), PATIENCE))
    await asyncio.sleep(0)
    await hang_up(waiter)
    last.leave.set()
    await background.drain()


async def test_a_failure_that_nobody_waits_for_is_quiet() -> None:
    """Asyncio would report it as never retrieved, and such a report fails this test."""
    background, work, reports = Background(), Work(), list[dict[str, object]]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, report: reports.append(report))
    try:
        await run_and_cancel(_wait(background, work), 1)
        work.leave.set()
        await background.drain()
        gc.collect()
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    assert work.ended
    assert reports == []


async def _wait(background: Background, work: Work) -> None:
    await background.run(work.fail())


async def test_draining_waits_for_all() -> None:
    background, works = Background(), [Work() for _ in range(3)]
    for work in works:
        await begin(background, work)
    draining = asyncio.create_task(background.drain())
    for work in works:
        for _ in range(5):
            await asyncio.sleep(0)
        assert not draining.done()
        work.leave.set()
    async with asyncio.timeout(PATIENCE):
        await draining
    assert all(work.ended for work in works)


async def test_draining_waits_for_tasks_that_start_meanwhile() -> None:
    background, first, second = Background(), Work(), Work()
    await begin(background, first)
    draining = asyncio.create_task(background.drain())
    await asyncio.sleep(0)
    await begin(background, second)
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
    background, failing, work = Background(), Work(), Work()
    await run_and_cancel(_wait(background, failing), 1)
    await begin(background, work)
    failing.leave.set()
    work.leave.set()
    async with asyncio.timeout(PATIENCE):
        await background.drain()
    assert work.ended


async def test_giving_up_draining_cancels_nothing() -> None:
    background, work = Background(), Work()
    await begin(background, work)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await background.drain()
    work.leave.set()
    async with asyncio.timeout(PATIENCE):
        await background.drain()
    assert (work.ended, work.cancelled) == (True, False)


async def test_nothing_to_drain() -> None:
    await Background().drain()


async def test_draining_cancels_retrying_tasks_after_a_moment() -> None:
    background, quick, endless = Background(), Work(), Work()
    background.start_retrying(quick.run())
    background.start_retrying(endless.run())
    await quick.begun.wait()
    quick.leave.set()
    began = monotonic()
    async with asyncio.timeout(PATIENCE):
        await background.drain()
    assert monotonic() - began < PATIENCE / 2 + 1
    assert (quick.ended, endless.cancelled) == (True, True)
    assert not background._retrying
