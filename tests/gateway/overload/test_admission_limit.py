"""The limit on concurrency: on what runs, on what waits and for how long; and no slot is ever lost."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.overload.admission import ConcurrencyLimit, Slot
from tests.gateway.virtual_time import in_virtual_time, now


async def queue(limit: ConcurrencyLimit, count: int) -> list[asyncio.Task[Slot | None]]:
    tasks = [asyncio.create_task(limit.acquire()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


def acquired(limit: ConcurrencyLimit) -> Slot:
    slot = limit.acquire_now()
    assert slot is not None
    return slot


async def test_no_more_slots_than_the_limit() -> None:
    limit = ConcurrencyLimit(2, 10, 10, 1)
    first = acquired(limit)
    acquired(limit)
    assert limit.acquire_now() is None
    first.release()
    assert limit.acquire_now() is not None


@in_virtual_time
async def test_a_wait_times_out() -> None:
    limit = ConcurrencyLimit(1, 1, 10, 0.5)
    slot, began = acquired(limit), now()
    assert await limit.acquire() is None
    assert now() - began == pytest.approx(0.5)
    # It has left the queue.
    slot.release()
    assert limit.acquire_now() is not None


@in_virtual_time
async def test_who_got_a_slot_does_not_time_out() -> None:
    limit = ConcurrencyLimit(1, 1, 10, 0.5)
    slot = acquired(limit)
    [waiter] = await queue(limit, 1)
    await asyncio.sleep(0.4)
    slot.release()
    assert await waiter is not None
    await asyncio.sleep(1)
    assert limit.acquire_now() is None


async def test_without_a_queue_nothing_waits() -> None:
    limit = ConcurrencyLimit(1, 1, 0, 60)
    acquired(limit)
    assert await limit.acquire() is None


async def test_the_queue_is_served_in_order() -> None:
    limit = ConcurrencyLimit(1, 1, 10, 60)
    slot = acquired(limit)
    older, newer = await queue(limit, 2)
    slot.release()
    assert await older is not None
    assert not newer.done()
    newer.cancel()


@pytest.mark.parametrize(("waited", "newest_first"), [(0.2, False), (0.25, False), (0.2500001, True), (0.9, True)])
@in_virtual_time
async def test_the_newest_is_served_first_when_the_oldest_waits_too_long(waited: float, newest_first: bool) -> None:
    """For more than a quarter of the time-out."""
    limit = ConcurrencyLimit(1, 1, 10, 1)
    slot = acquired(limit)
    [oldest] = await queue(limit, 1)
    await asyncio.sleep(waited)
    middle, newest = await queue(limit, 2)
    slot.release()
    served = await (newest if newest_first else oldest)
    assert served is not None
    assert not middle.done()
    # The oldest decides, whoever is served.
    served.release()
    assert await middle is not None


async def test_a_full_queue_rejects_its_oldest() -> None:
    limit = ConcurrencyLimit(1, 1, 2, 60)
    slot = acquired(limit)
    oldest, *others = await queue(limit, 3)
    assert await oldest is None
    slot.release()
    served = await others[0]
    assert served is not None
    served.release()
    assert await others[1] is not None


@pytest.mark.parametrize("woken_before", [False, True])
async def test_a_cancelled_request_keeps_no_slot(woken_before: bool) -> None:
    limit = ConcurrencyLimit(1, 1, 10, 60)
    slot = acquired(limit)
    waiting = (await queue(limit, 1))[0]
    if woken_before:
        slot.release()
    waiting.cancel()
    if not woken_before:
        slot.release()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert limit.acquire_now() is not None


async def test_while_one_waits_another_runs() -> None:
    limit = ConcurrencyLimit(1, 3, 10, 60)
    slot = acquired(limit)
    waiting = (await queue(limit, 1))[0]
    with slot.waiting():
        other = await waiting
        assert other is not None
        assert limit.acquire_now() is None
    # It went on without a wait, so one more runs than the limit, and another has to end first.
    slot.release()
    assert limit.acquire_now() is None
    other.release()
    assert limit.acquire_now() is not None


async def test_waiting_requests_are_limited_too() -> None:
    limit = ConcurrencyLimit(1, 2, 10, 60)
    with acquired(limit).waiting(), acquired(limit).waiting():
        assert limit.acquire_now() is None


async def test_waiting_twice_or_after_the_release_changes_nothing() -> None:
    limit = ConcurrencyLimit(1, 5, 10, 60)
    slot = acquired(limit)
    with slot.waiting():
        with slot.waiting():
            pass
        other = acquired(limit)
        slot.release()
    other.release()
    with slot.waiting():
        acquired(limit)
        assert limit.acquire_now() is None


class Requests:
    """Requests that arrive, queue, give up, wait, go on and end, in any order."""

    def __init__(self) -> None:
        self.limit = ConcurrencyLimit(2, 4, 3, 60)
        self.running: list[Slot] = []
        self.waiting: list[tuple[Slot, ExitStack]] = []
        self.queued: list[asyncio.Task[Slot | None]] = []

    async def arrive(self, _number: int) -> None:
        self.queued.append(asyncio.create_task(self._enter()))
        await asyncio.sleep(0)
        self._collect()

    async def _enter(self) -> Slot | None:
        """As admission does it, without an await in between."""
        return self.limit.acquire_now() or await self.limit.acquire()

    async def give_up(self, number: int) -> None:
        if self.queued:
            self.queued[number % len(self.queued)].cancel()

    async def end(self, number: int) -> None:
        if self.running:
            self.running.pop(number % len(self.running)).release()

    async def wait(self, number: int) -> None:
        if self.running:
            slot, block = self.running.pop(number % len(self.running)), ExitStack()
            block.enter_context(slot.waiting())
            self.waiting.append((slot, block))

    async def go_on(self, number: int) -> None:
        if self.waiting:
            slot, block = self.waiting.pop(number % len(self.waiting))
            block.close()
            self.running.append(slot)

    async def settle(self, _number: int = 0) -> None:
        # A slot given to a cancelled request is passed on, one iteration of the loop later.
        for _ in range(2 * len(self.queued) + 2):
            await asyncio.sleep(0)
        self._collect()
        assert len(self.running) + len(self.waiting) <= 4
        assert not self.queued or len(self.running) >= 2 or len(self.running) + len(self.waiting) == 4

    def _collect(self) -> None:
        done = [task for task in self.queued if task.done()]
        self.queued = [task for task in self.queued if not task.done()]
        self.running += [slot for task in done if not task.cancelled() and (slot := task.result())]

    async def end_all(self) -> None:
        for task in self.queued:
            task.cancel()
        await self.settle()
        while self.waiting:
            await self.go_on(0)
        while self.running:
            await self.end(0)


STEPS = [Requests.arrive, Requests.give_up, Requests.end, Requests.wait, Requests.go_on, Requests.settle]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9))))
async def test_no_slot_is_ever_lost(steps: list[tuple[Any, int]]) -> None:
    requests = Requests()
    for step, number in steps:
        await step(requests, number)
    await requests.settle()
    await requests.end_all()
    assert not requests.queued
    assert [requests.limit.acquire_now() is not None for _ in range(3)] == [True, True, False]


async def test_a_slot_that_is_released_while_it_waits_is_given_back_once() -> None:
    limit = ConcurrencyLimit(1, 5, 10, 60)
    slot = acquired(limit)
    with slot.waiting():
        slot.release()
    acquired(limit)
    assert limit.acquire_now() is None


async def test_a_released_slot_has_nothing_more_to_give() -> None:
    limit = ConcurrencyLimit(1, 5, 10, 60)
    slot = acquired(limit)
    slot.release()
    other = acquired(limit)
    with slot.waiting():
        assert limit.acquire_now() is None
    other.release()
    acquired(limit)
    assert limit.acquire_now() is None
