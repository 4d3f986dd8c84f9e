"""Time limits and their late timers, on a clock that leaps, slots, and the slot that a request releases while it
waits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import socket
from collections.abc import Generator
from typing import Any, cast

import pytest

from tests.wire.http.event_loops import let_pass, on_a_leaping_clock
from wire.waiting import SECOND_LOOK, Deadline, Slots, Timeout, release_slot, waiting


def now() -> float:
    return asyncio.get_running_loop().time()


def test_the_second_look_is_a_small_margin() -> None:
    assert 0 < SECOND_LOOK <= 0.05


@on_a_leaping_clock
async def test_it_expires() -> None:
    began = now()
    limit = Timeout(began + 3)
    with pytest.raises(TimeoutError):
        async with limit:
            await asyncio.sleep(20)
    assert now() - began == pytest.approx(3 + SECOND_LOOK)
    assert not limit.stood_still
    # Nobody has cancelled the task.
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@on_a_leaping_clock
async def test_no_limit() -> None:
    async with Timeout(None) as limit:
        await asyncio.sleep(1_000_000)
    assert not limit.stood_still


@pytest.mark.parametrize("seconds", [0, 2.9, 3 + SECOND_LOOK / 2])
@on_a_leaping_clock
async def test_what_ends_in_time_leaves_nothing_behind(seconds: float) -> None:
    """Not even after the limit, if it ends before the second look."""
    async with Timeout(now() + 3) as limit:
        await asyncio.sleep(seconds)
    assert not limit.stood_still
    await asyncio.sleep(20)


@on_a_leaping_clock
async def test_another_error_and_a_cancellation_pass() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Timeout(now() + 20):
            _ = 1 / 0

    async def limited() -> None:
        async with Timeout(now() + 20):
            await asyncio.sleep(20)

    task = asyncio.create_task(limited())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@on_a_leaping_clock
async def test_another_error_passes_after_the_expiry() -> None:
    async def limited() -> None:
        async with Timeout(now() + 3):
            try:
                await asyncio.sleep(20)
            finally:
                _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        await limited()


@on_a_leaping_clock
async def test_a_cancellation_beside_the_expiry_is_a_cancellation() -> None:
    async def limited() -> None:
        task = asyncio.current_task()
        assert task is not None
        async with Timeout(now() + 3):
            try:
                await asyncio.sleep(20)
            finally:
                # Somebody else cancels, too, before the limit is left.
                task.cancel()

    task = asyncio.create_task(limited())
    with pytest.raises(asyncio.CancelledError):
        await task


@on_a_leaping_clock
async def test_a_cancellation_before_the_limit_does_not_count() -> None:
    async def limited() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(20)
        async with Timeout(now() + 3):
            await asyncio.sleep(20)

    task = asyncio.create_task(limited())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(TimeoutError):
        await task


async def test_a_limit_needs_a_task() -> None:
    refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def enter() -> None:
        with pytest.raises(RuntimeError) as raised:
            Timeout(None).__aenter__().send(None)
        refused.set_result(str(raised.value))

    asyncio.get_running_loop().call_soon(enter)
    assert await refused == "a time limit needs a task"


@on_a_leaping_clock
async def test_what_arrived_during_a_standstill_is_read() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    async with Timeout(now() + 3) as limit:
        theirs.send(b"x")
        let_pass(100)
        assert await reader.readexactly(1) == b"x"
    assert not limit.stood_still
    theirs.close()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(("latest", "granted"), [(math.inf, 3), (201, 1), (103, SECOND_LOOK)])
@on_a_leaping_clock
async def test_a_time_out_after_a_standstill_says_so(latest: float, granted: float) -> None:
    began = now()
    limit = Timeout(began + 3, latest=began + latest)

    async def stand_still() -> None:
        async with limit:
            let_pass(200)
            await asyncio.sleep(1000)

    with pytest.raises(TimeoutError):
        await stand_still()
    assert now() - began == pytest.approx(200 + granted)
    assert limit.stood_still


@pytest.mark.parametrize("step", [0.005, 0.1])
@on_a_leaping_clock
async def test_a_busy_event_loop_is_no_standstill(step: float) -> None:
    limit = Timeout(now() + 0.5)

    async def work() -> None:
        async with limit:
            while True:
                let_pass(step)
                await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        await work()
    assert not limit.stood_still


class StandingLoop:
    """An event loop whose clock only the test moves, with one timer."""

    def __init__(self) -> None:
        self.now = 100.0
        self.delay = 0.0
        self.cancelled = 0
        self._timer: Any = None

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Any, *values: Any) -> Any:
        self.delay, self._timer = delay, (callback, values)
        return self

    def cancel(self) -> None:
        self.cancelled += 1

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


def test_a_deadline_starts_again_in_place_of_the_one_before() -> None:
    loop = StandingLoop()
    missed: list[float] = []
    deadline = Deadline(cast("asyncio.AbstractEventLoop", loop), lambda: missed.append(loop.now))
    assert not deadline.runs
    deadline.start(2)
    assert deadline.runs
    loop.run_timer(after=3)
    deadline.start(5)
    assert (loop.cancelled, loop.delay) == (1, 5)
    # It has not run late so far.
    assert not deadline.stood_still
    loop.run_timer(after=5)
    loop.run_timer(after=SECOND_LOOK)
    assert missed == [108 + SECOND_LOOK]
    deadline.start(1)
    deadline.stop()
    assert (loop.cancelled, deadline.runs) == (2, False)
    deadline.stop()
    assert loop.cancelled == 2


# Slots


async def test_a_free_slot_is_acquired_at_once() -> None:
    slots = Slots(2)
    await slots.acquire()
    assert slots.acquire_now()
    assert not slots.acquire_now()
    slots.release()
    assert slots.acquire_now()
    assert not slots.acquire_now()


async def test_slots_are_waited_for_in_turn() -> None:
    slots, turns = Slots(1), list[int]()

    async def wait(number: int) -> None:
        await slots.acquire()
        turns.append(number)

    await slots.acquire()
    tasks = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    for number in range(3):
        slots.release()
        # It belongs to the first in the queue, even before that one runs.
        assert not slots.acquire_now()
        await tasks[number]
    assert turns == [0, 1, 2]


@pytest.mark.parametrize("released", ["before", "after"])
async def test_a_slot_goes_to_the_next_when_the_first_is_cancelled(released: str) -> None:
    slots = Slots(1)
    await slots.acquire()
    first, second = (asyncio.create_task(slots.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    if released == "before":
        slots.release()
    first.cancel()
    if released == "after":
        slots.release()
    await second
    assert first.cancelled()
    assert not slots.acquire_now()
    slots.release()
    assert slots.acquire_now()
    assert not slots.acquire_now()


async def test_cancelled_waits_get_no_slot() -> None:
    slots = Slots(1)
    await slots.acquire()
    tasks = [asyncio.create_task(slots.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    slots.release()
    assert slots.acquire_now()
    assert not slots.acquire_now()


async def test_nothing_is_kept_of_cancelled_waits() -> None:
    """The slots may stay in use for long."""
    slots = Slots(1)
    await slots.acquire()
    before = _futures()
    for _ in range(10):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(slots.acquire(), 0.001)
    # The traceback of the last one may still refer to its wait.
    assert _futures() <= before + 1


def _futures() -> int:
    gc.collect()
    return sum(isinstance(each, asyncio.Future) and not isinstance(each, asyncio.Task) for each in gc.get_objects())


# The slot of a request


async def test_waiting_releases_the_slot_of_the_request_and_of_its_tasks() -> None:
    released: list[str] = []

    @contextlib.contextmanager
    def release() -> Generator[None]:
        released.append("released")
        yield
        released.append("taken again")

    async def wait() -> None:
        with waiting():
            released.append("waiting")

    async def request() -> None:
        release_slot.set(release)
        await wait()
        await asyncio.create_task(wait())

    await asyncio.create_task(request())
    assert released == ["released", "waiting", "taken again"] * 2
    # Outside a request, there is nothing to release.
    await wait()
    assert released[6:] == ["waiting"]
