"""A time limit by `asyncio` and its late timers: the process here stands still by blocking its event loop."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from typing import Any, cast

import pytest

from wire.waiting import SECOND_LOOK, Deadline, Timeout


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_it_expires() -> None:
    began = now()
    limit = Timeout(began + 0.05)
    with pytest.raises(TimeoutError):
        async with limit:
            await asyncio.sleep(20)
    assert 0.05 <= now() - began < 5


async def test_no_limit() -> None:
    async with Timeout(None) as limit:
        await asyncio.sleep(0.05)
    assert not limit.stood_still


async def test_what_ends_in_time_leaves_nothing_behind() -> None:
    async with Timeout(now() + SECOND_LOOK):
        await asyncio.sleep(0)
    await asyncio.sleep(3 * SECOND_LOOK)


async def test_another_error_and_a_cancellation_pass() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Timeout(now() + 20):
            _ = 1 / 0

    async def limited() -> None:
        async with Timeout(now() + 20):
            await asyncio.sleep(20)

    task = asyncio.create_task(limited())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_beside_the_expiry_is_a_cancellation() -> None:
    async def limited() -> None:
        task = asyncio.current_task()
        assert task is not None
        async with Timeout(now() + 0.01):
            try:
                await asyncio.sleep(20)
            finally:
                # Somebody else cancels, too, before the limit is left.
                task.cancel()

    task = asyncio.create_task(limited())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_arrived_during_a_standstill_is_read() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    async with Timeout(now() + 0.1):
        theirs.send(b"x")
        time.sleep(0.6)  # noqa: ASYNC251 - this is the standstill
        assert await reader.readexactly(1) == b"x"
    theirs.close()
    writer.close()
    await writer.wait_closed()


class StandingLoop:
    """An event loop whose clock only the test moves, with one timer."""

    def __init__(self) -> None:
        self.now = 100.0
        self.delay = 0.0
        self._timer: Any = None

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Any, *values: Any) -> Any:
        self.delay, self._timer = delay, (callback, values)
        return self

    def run_timer(self, *, after: float) -> None:
        self.now += after
        callback, values = self._timer
        callback(*values)


@pytest.mark.parametrize(
    ("latest", "granted"),
    [(math.inf, 2.0), (106.5, 0.5), (101.0, SECOND_LOOK)],
    ids=["as much again", "up to the latest", "the latest is over"],
)
def test_a_late_timer_is_extended_but_not_beyond_the_latest(latest: float, granted: float) -> None:
    loop = StandingLoop()
    missed: list[float] = []
    deadline = Deadline(cast("asyncio.AbstractEventLoop", loop), lambda: missed.append(loop.now))
    deadline.start(2, latest=latest)
    assert loop.delay == 2
    loop.run_timer(after=6)
    assert loop.delay == pytest.approx(granted)
    assert not missed
    loop.run_timer(after=granted)
    assert missed == [106 + granted]
    assert not deadline.runs


@pytest.mark.parametrize(
    ("seconds", "late", "stood_still"),
    [(0.5, 0.2, False), (0.5, 0.3, True), (10, 0.9, False), (10, 1.1, True)],
)
def test_how_late_a_timer_has_to_be_for_a_standstill(seconds: float, late: float, *, stood_still: bool) -> None:
    loop = StandingLoop()
    deadline = Deadline(cast("asyncio.AbstractEventLoop", loop), lambda: None)
    deadline.start(seconds)
    loop.run_timer(after=seconds + late)
    assert loop.delay == pytest.approx(late)
    assert deadline.stood_still is stood_still


@pytest.mark.parametrize("loaded", [0.0, 0.005])
async def test_a_busy_event_loop_is_no_standstill(loaded: float) -> None:
    limit = Timeout(now() + 0.5)

    async def work() -> None:
        async with limit:
            while True:
                time.sleep(loaded)  # noqa: ASYNC251 - this is the load
                await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        await work()
    assert not limit.stood_still
