"""Background tasks reach their end even if nobody waits for them any more."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from resolvers.background import Background, StillRunning, backoff
from tests.loop_clock import LoopClock, held_clock, settled
from tests.suspended import run_and_cancel


@pytest.fixture(autouse=True)
async def clock() -> AsyncGenerator[LoopClock]:
    """No timer fires in these tests unless they say so."""
    with held_clock() as clock:
        yield clock


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
        raise LookupError("CANARY")


async def begin(background: Background, work: Work, seconds: float | None = None) -> asyncio.Task[str]:
    waiter = asyncio.create_task(background.run(work.run(), seconds))
    await work.begun.wait()
    return waiter


async def hang_up(waiter: asyncio.Task[str]) -> None:
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def is_done(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """The task of it, as far as it comes without time and without anybody's help."""
    task = asyncio.create_task(work)
    await settled()
    return task


# Running with a waiter


@pytest.mark.parametrize("seconds", [None, 5])
async def test_the_result_comes_back(seconds: float | None) -> None:
    background, work = Background(), Work()
    work.leave.set()
    assert await background.run(work.run(), seconds) == "done"
    assert (await is_done(background.drain())).done()


@pytest.mark.parametrize("seconds", [None, 5])
async def test_what_was_raised_comes_back(seconds: float | None) -> None:
    background, work = Background(), Work()
    work.leave.set()
    with pytest.raises(LookupError):
        await background.run(work.fail(), seconds)
    assert (await is_done(background.drain())).done()


@pytest.mark.parametrize("seconds", [None, 5])
async def test_a_waiter_that_hangs_up_cancels_nothing(seconds: float | None) -> None:
    background, work = Background(), Work()
    await hang_up(await begin(background, work, seconds))
    assert not work.ended
    work.leave.set()
    await background.drain()
    assert (work.ended, work.cancelled) == (True, False)


async def test_a_waiter_that_waits_no_longer_cancels_nothing(clock: LoopClock) -> None:
    background, work = Background(), Work()
    waiter = await begin(background, work, 5)
    await clock.advance(4.9)
    assert not waiter.done()
    await clock.advance(0.2)
    with pytest.raises(StillRunning):
        await waiter
    assert (work.ended, work.cancelled) == (False, False)
    work.leave.set()
    await background.drain()
    assert (work.ended, work.cancelled) == (True, False)


async def test_whoever_sets_no_limit_waits_for_any_time(clock: LoopClock) -> None:
    background, work = Background(), Work()
    waiter = await begin(background, work)
    await clock.advance(3600, step=60)
    work.leave.set()
    assert await waiter == "done"


async def test_a_result_that_comes_with_the_end_of_the_time_counts(clock: LoopClock) -> None:
    """It came a moment before, and the waiter learns of both at once."""
    background = Background()

    async def work() -> str:
        await asyncio.sleep(4.9)
        return "done"

    waiter = await is_done(background.run(work(), 5))
    await clock.jump(6)
    assert await waiter == "done"


async def test_what_ends_in_time_leaves_no_timer(clock: LoopClock) -> None:
    """It would cancel what the waiter does next."""
    background, work = Background(), Work()
    work.leave.set()

    async def twice() -> str:
        await background.run(work.run(), 5)
        with pytest.raises(LookupError):
            await background.run(work.fail(), 5)
        await asyncio.sleep(60)
        return "undisturbed"

    waiter = await is_done(twice())
    await clock.advance(61, step=1)
    assert await waiter == "undisturbed"


async def test_work_that_is_cancelled_itself_is_not_still_running() -> None:
    """And its end is no fault of ours that asyncio would report."""
    background, reports = Background(), list[dict[str, object]]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, report: reports.append(report))

    async def cancelled() -> None:
        raise asyncio.CancelledError

    try:
        with pytest.raises(asyncio.CancelledError):
            await background.run(cancelled(), 5)
        await settled()
    finally:
        loop.set_exception_handler(None)
    assert reports == []


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


# Running without a waiter


@pytest.mark.parametrize("how", ["start", "start_retrying"])
async def test_a_failure_of_a_task_that_nobody_waits_for_is_logged(how: str) -> None:
    """With its type and place, and without its text."""
    background, work = Background(), Work()
    work.leave.set()
    with capture_logs() as logged:
        getattr(background, how)(work.fail())
        await background.drain()
    (line,) = logged
    assert (line["event"], line["log_level"], line["error"]) == ("fault", "error", "LookupError")
    assert "CANARY" not in str(line)
    assert any(frame.endswith(" fail") for frame in line["frames"])


# Draining


async def test_draining_waits_for_all() -> None:
    background, works = Background(), [Work() for _ in range(3)]
    for work in works[:2]:
        await begin(background, work)
    background.start(works[2].run())
    draining = asyncio.create_task(background.drain())
    for work in works:
        await settled()
        assert not draining.done()
        work.leave.set()
    await draining
    assert all(work.ended for work in works)


async def test_draining_waits_for_tasks_that_start_meanwhile() -> None:
    background, first, second = Background(), Work(), Work()
    await begin(background, first)
    draining = asyncio.create_task(background.drain())
    await asyncio.sleep(0)
    await begin(background, second)
    first.leave.set()
    await settled()
    assert first.ended
    assert not draining.done()
    second.leave.set()
    await draining
    assert second.ended


async def test_draining_outlives_a_failure() -> None:
    background, failing, work = Background(), Work(), Work()
    await run_and_cancel(_wait(background, failing), 1)
    await begin(background, work)
    failing.leave.set()
    work.leave.set()
    await background.drain()
    assert work.ended


async def test_giving_up_draining_cancels_nothing() -> None:
    background, work = Background(), Work()
    await begin(background, work)
    draining = await is_done(background.drain())
    draining.cancel()
    await settled()
    assert draining.cancelled()
    work.leave.set()
    await background.drain()
    assert (work.ended, work.cancelled) == (True, False)


async def test_nothing_to_drain() -> None:
    assert (await is_done(Background().drain())).done()


async def test_draining_cancels_retrying_tasks_after_two_seconds(clock: LoopClock) -> None:
    """And not at once, as they may come to their end."""
    background, quick, endless = Background(), Work(), Work()
    background.start_retrying(quick.run())
    background.start_retrying(endless.run())
    draining = await is_done(background.drain())
    await clock.advance(1.9)
    quick.leave.set()
    await settled()
    assert (quick.ended, endless.cancelled, draining.done()) == (True, False, False)
    await clock.advance(0.2)
    assert (endless.cancelled, draining.done()) == (True, True)


async def test_draining_ends_with_the_last_retrying_task(clock: LoopClock) -> None:
    background, work = Background(), Work()
    background.start_retrying(work.run())
    draining = await is_done(background.drain())
    assert not draining.done()
    work.leave.set()
    await settled()
    assert draining.done()
    assert not background._retrying


async def test_draining_waits_for_what_a_cancelled_task_still_does() -> None:
    background, work, closed = Background(), Work(), asyncio.Event()

    async def closing() -> None:
        try:
            await work.run()
        finally:
            await closed.wait()

    background.start_retrying(closing())
    with held_clock() as clock:
        draining = await is_done(background.drain())
        await clock.advance(2.1)
        assert (work.cancelled, draining.done()) == (True, False)
        closed.set()
        await settled()
        assert draining.done()


async def test_callbacks_run_after_all_tasks() -> None:
    background, work, retrying, ran = Background(), Work(), Work(), list[tuple[str, bool, bool]]()

    async def callback(name: str) -> None:
        ran.append((name, work.ended, retrying.ended))

    background.on_drain(lambda: callback("first"))
    background.on_drain(lambda: callback("second"))
    await begin(background, work)
    background.start_retrying(retrying.run())
    draining = await is_done(background.drain())
    assert ran == []
    work.leave.set()
    retrying.leave.set()
    await draining
    assert ran == [("first", True, True), ("second", True, True)]


async def test_a_callback_that_fails_or_hangs_holds_up_no_other(clock: LoopClock) -> None:
    background, ran = Background(), list[str]()

    async def fail() -> None:
        raise ZeroDivisionError

    async def hang() -> None:
        await asyncio.Event().wait()

    async def last() -> None:
        ran.append("last")

    for callback in (fail, hang, last):
        background.on_drain(callback)
    with capture_logs() as logged:
        draining = await is_done(background.drain())
        await clock.advance(1.9)
        assert (ran, draining.done()) == ([], False)
        await clock.advance(0.2)
        assert (ran, draining.done()) == (["last"], True)
    assert [line["error"] for line in logged] == ["ZeroDivisionError"]


@pytest.mark.parametrize(("tries", "pause"), [(1, 0.1), (2, 0.5), (3, 2), (4, 2), (100, 2)])
def test_pauses_grow_and_the_last_one_repeats(tries: int, pause: float) -> None:
    assert backoff((0.1, 0.5, 2), tries) == pause
