"""Counting repeated events: never a row too many, never a first one lost, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from models.database import DatabaseDown
from resolvers.repeats import KIND, Repeats

EVERY = 0.05


class Trail:
    """The rows that were written. While it is `away`, every write fails."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, int]] = []
        self.away = False
        self.slow = asyncio.Event()
        self.slow.set()

    async def write(self, values: Mapping[str, Any]) -> None:
        await self.slow.wait()
        if self.away:
            raise DatabaseDown("away")
        self.rows.append((values["subject"], values["count"]))

    @property
    def counts(self) -> Counter[Any]:
        found: Counter[Any] = Counter()
        for subject, count in self.rows:
            found[subject] += count
        return found


@pytest.fixture
def trail() -> Trail:
    return Trail()


def event(subject: Any = "s", actor: str = "a") -> dict[str, Any]:
    return dict.fromkeys(KIND) | {"actor": actor, "subject": subject}


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(EVERY / 10)


async def test_the_first_is_a_row_at_once_and_the_others_are_one(trail: Trail) -> None:
    repeats = Repeats()
    for _ in range(100):
        await repeats.record(event(), trail.write)
    assert trail.rows == [("s", 1)]
    await repeats.flush()
    assert trail.rows == [("s", 1), ("s", 99)]


async def test_at_once(trail: Trail) -> None:
    repeats = Repeats()
    await asyncio.gather(*(repeats.record(event(), trail.write) for _ in range(100)))
    assert trail.rows == [("s", 1)]
    await repeats.flush()
    assert trail.counts == {"s": 100}


async def test_other_kinds_are_others(trail: Trail) -> None:
    repeats = Repeats()
    for name in KIND:
        await repeats.record(event() | {name: "another"}, trail.write)
    await repeats.record(event(), trail.write)
    assert len(trail.rows) == len(KIND) + 1
    await repeats.flush()
    assert len(trail.rows) == len(KIND) + 1


async def test_counts_are_written_while_it_goes_on(trail: Trail) -> None:
    repeats = Repeats(every=EVERY)
    for _ in range(3):
        await repeats.record(event(), trail.write)
    await until(lambda: len(trail.rows) > 1)
    assert trail.rows == [("s", 1), ("s", 2)]
    # After a pause without events, the next one is a first one again.
    await until(lambda: not repeats._kinds)
    assert repeats._timer is None
    assert not repeats._callers
    await repeats.record(event(), trail.write)
    assert trail.rows == [("s", 1), ("s", 2), ("s", 1)]
    await repeats.flush()


async def test_a_first_one_that_fails_is_tried_by_the_next(trail: Trail) -> None:
    repeats = Repeats()
    trail.away = True
    told = await asyncio.gather(*(repeats.record(event(), trail.write) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [DatabaseDown] * 3
    trail.away = False
    await repeats.record(event(), trail.write)
    await repeats.flush()
    assert trail.rows == [("s", 1)]


async def test_counts_that_can_not_be_written_are_kept(trail: Trail) -> None:
    repeats = Repeats(every=EVERY)
    for _ in range(3):
        await repeats.record(event(), trail.write)
    trail.away = True
    await asyncio.sleep(EVERY * 3)
    assert trail.rows == [("s", 1)]
    trail.away = False
    await until(lambda: len(trail.rows) > 1)
    assert trail.counts == {"s": 3}
    await repeats.flush()


async def test_whoever_leaves_takes_the_row_from_nobody(trail: Trail) -> None:
    repeats = Repeats()
    trail.slow.clear()
    first = asyncio.create_task(repeats.record(event(), trail.write))
    second = asyncio.create_task(repeats.record(event(), trail.write))
    await asyncio.sleep(0)
    first.cancel()
    trail.slow.set()
    await second
    assert trail.rows == [("s", 1)]


async def test_bounded_for_each_caller(trail: Trail) -> None:
    repeats = Repeats(of_one=5)
    for number in range(100):
        await repeats.record(event(number), trail.write)
        await repeats.record(event(actor=f"another-{number}"), trail.write)
    assert [row for row in trail.rows if row[0] != "s"] == [*((number, 1) for number in range(5)), (None, 1)]
    await repeats.flush()
    assert trail.counts[None] == 95


async def test_bounded_for_all(trail: Trail) -> None:
    """The oldest are written and forgotten, none is lost."""
    repeats = Repeats(kinds=10)
    for number in range(100):
        for _ in range(3):
            await repeats.record(event(number, actor=str(number)), trail.write)
        assert len(repeats._kinds) <= 10
        assert len(repeats._callers) <= 10
    await repeats.flush()
    assert trail.counts == dict.fromkeys(range(100), 3)
