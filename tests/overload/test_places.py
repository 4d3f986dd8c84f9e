"""Places: so many at once, so many waiting, nobody for long, and none is ever lost."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.overload.places import Place, Places


async def waiters(places: Places, count: int) -> list[asyncio.Task[Place | None]]:
    tasks = [asyncio.create_task(places.wait()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


def taken(places: Places) -> Place:
    place = places.take()
    assert place is not None
    return place


async def test_as_many_as_there_are() -> None:
    places = Places(2, 10, 10, 1)
    first = taken(places)
    taken(places)
    assert places.take() is None
    first.give_back()
    assert places.take() is not None


async def test_nobody_waits_for_long() -> None:
    places = Places(1, 1, 10, 0.05)
    taken(places)
    began = asyncio.get_running_loop().time()
    assert await places.wait() is None
    assert asyncio.get_running_loop().time() - began >= 0.04


async def test_without_a_queue_nobody_waits() -> None:
    places = Places(1, 1, 0, 60)
    taken(places)
    assert await places.wait() is None


async def test_the_oldest_is_served_first_while_the_queue_is_young() -> None:
    places = Places(1, 1, 10, 60)
    place = taken(places)
    older, newer = await waiters(places, 2)
    place.give_back()
    assert await older is not None
    assert not newer.done()
    newer.cancel()


async def test_the_newest_is_served_first_when_the_oldest_waits_too_long() -> None:
    places = Places(1, 1, 10, 1)
    place = taken(places)
    older = (await waiters(places, 1))[0]
    await asyncio.sleep(0.3)
    newer = (await waiters(places, 1))[0]
    place.give_back()
    assert await newer is not None
    assert not older.done()
    assert await older is None


async def test_a_full_queue_sends_the_oldest_away() -> None:
    places = Places(1, 1, 2, 60)
    place = taken(places)
    oldest, *others = await waiters(places, 3)
    assert await oldest is None
    place.give_back()
    served = await others[0]
    assert served is not None
    served.give_back()
    assert await others[1] is not None


@pytest.mark.parametrize("given_before", [False, True])
async def test_who_is_cancelled_keeps_no_place(given_before: bool) -> None:
    places = Places(1, 1, 10, 60)
    place = taken(places)
    waiter = (await waiters(places, 1))[0]
    if given_before:
        place.give_back()
    waiter.cancel()
    if not given_before:
        place.give_back()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert places.take() is not None


async def test_while_one_is_away_another_works() -> None:
    places = Places(1, 3, 10, 60)
    place = taken(places)
    waiter = (await waiters(places, 1))[0]
    with place.away():
        other = await waiter
        assert other is not None
        assert places.take() is None
    # Back without a wait, which makes one too many, so one more has to go before the next may work.
    place.give_back()
    assert places.take() is None
    other.give_back()
    assert places.take() is not None


async def test_those_who_are_away_are_bounded_too() -> None:
    places = Places(1, 2, 10, 60)
    with taken(places).away(), taken(places).away():
        assert places.take() is None


async def test_being_away_twice_or_after_the_end_changes_nothing() -> None:
    places = Places(1, 5, 10, 60)
    place = taken(places)
    with place.away():
        with place.away():
            pass
        other = taken(places)
        place.give_back()
    other.give_back()
    with place.away():
        taken(places)
        assert places.take() is None


class Crowd:
    """Requests that come, wait, give up, go away, come back and end, in whatever order."""

    def __init__(self) -> None:
        self.places = Places(2, 4, 3, 60)
        self.working: list[Place] = []
        self.away: list[tuple[Place, ExitStack]] = []
        self.waiting: list[asyncio.Task[Place | None]] = []

    async def come(self, _number: int) -> None:
        self.waiting.append(asyncio.create_task(self._enter()))
        await asyncio.sleep(0)
        self._seat()

    async def _enter(self) -> Place | None:
        """As whoever comes does it: nothing happens in between."""
        return self.places.take() or await self.places.wait()

    async def give_up(self, number: int) -> None:
        if self.waiting:
            self.waiting[number % len(self.waiting)].cancel()

    async def end(self, number: int) -> None:
        if self.working:
            self.working.pop(number % len(self.working)).give_back()

    async def go_away(self, number: int) -> None:
        if self.working:
            place, door = self.working.pop(number % len(self.working)), ExitStack()
            door.enter_context(place.away())
            self.away.append((place, door))

    async def come_back(self, number: int) -> None:
        if self.away:
            place, door = self.away.pop(number % len(self.away))
            door.close()
            self.working.append(place)

    async def settle(self, _number: int = 0) -> None:
        # Whoever was called and had left passes the place on, and the next hears of it a turn of the loop later.
        for _ in range(2 * len(self.waiting) + 2):
            await asyncio.sleep(0)
        self._seat()
        assert len(self.working) + len(self.away) <= 4
        assert not self.waiting or len(self.working) >= 2 or len(self.working) + len(self.away) == 4

    def _seat(self) -> None:
        done = [task for task in self.waiting if task.done()]
        self.waiting = [task for task in self.waiting if not task.done()]
        self.working += [place for task in done if not task.cancelled() and (place := task.result())]

    async def all_leave(self) -> None:
        for task in self.waiting:
            task.cancel()
        await self.settle()
        while self.away:
            await self.come_back(0)
        while self.working:
            await self.end(0)


STEPS = [Crowd.come, Crowd.give_up, Crowd.end, Crowd.go_away, Crowd.come_back, Crowd.settle]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9))))
async def test_whatever_happens_no_place_is_lost(steps: list[tuple[Any, int]]) -> None:
    crowd = Crowd()
    for step, number in steps:
        await step(crowd, number)
    await crowd.settle()
    await crowd.all_leave()
    assert not crowd.waiting
    assert [crowd.places.take() is not None for _ in range(3)] == [True, True, False]
