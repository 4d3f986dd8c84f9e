"""Counting repeated events: never a row too many, never a first one lost, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from models.audit_event import AuditEntry
from models.database import DatabaseDown
from resolvers.repeats import Kind, Repeats

EVERY = 0.05


class Trail:
    """The rows that were written. While it is `away`, every write fails."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, int]] = []
        self.away = False
        self.slow = asyncio.Event()
        self.slow.set()

    async def write(self, entry: AuditEntry, count: int) -> None:
        await self.slow.wait()
        if self.away:
            raise DatabaseDown("away")
        self.rows.append((entry.subject, count))

    @property
    def counts(self) -> Counter[Any]:
        found: Counter[Any] = Counter()
        for subject, count in self.rows:
            found[subject] += count
        return found


@pytest.fixture
def trail() -> Trail:
    return Trail()


def event(subject: Any = "s", actor: str = "a") -> AuditEntry:
    return AuditEntry(
        actor=actor, user=None, client_id=None, subject=subject, action="", provider=None, outcome="", request_id="r"
    )


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(EVERY / 10)


async def test_the_first_is_a_row_at_once_and_the_others_are_one(trail: Trail) -> None:
    repeats = Repeats(trail.write)
    for _ in range(100):
        await repeats.record(event())
    assert trail.rows == [("s", 1)]
    await repeats.close()
    assert trail.rows == [("s", 1), ("s", 99)]


async def test_at_once(trail: Trail) -> None:
    repeats = Repeats(trail.write)
    await asyncio.gather(*(repeats.record(event()) for _ in range(100)))
    assert trail.rows == [("s", 1)]
    await repeats.close()
    assert trail.counts == {"s": 100}


async def test_other_kinds_are_others(trail: Trail) -> None:
    repeats = Repeats(trail.write)
    for name in Kind._fields:
        await repeats.record(replace(event(), **{name: "another"}))
    await repeats.record(event())
    assert len(trail.rows) == len(Kind._fields) + 1
    await repeats.close()
    assert len(trail.rows) == len(Kind._fields) + 1


async def test_counts_are_written_while_it_goes_on(trail: Trail) -> None:
    repeats = Repeats(trail.write, interval=EVERY)
    for _ in range(3):
        await repeats.record(event())
    await until(lambda: len(trail.rows) > 1)
    assert trail.rows == [("s", 1), ("s", 2)]
    # After a pause without events, the next one is a first one again.
    await until(lambda: not repeats._kinds)
    assert repeats._timer is None
    assert not repeats._callers
    await repeats.record(event())
    assert trail.rows == [("s", 1), ("s", 2), ("s", 1)]
    await repeats.close()


async def test_once_closed_it_writes_no_more(trail: Trail) -> None:
    """Even if the timer had started a write when it was closed."""
    repeats = Repeats(trail.write, interval=EVERY)
    for _ in range(3):
        await repeats.record(event())
    trail.slow.clear()
    await asyncio.sleep(EVERY * 2)
    closing = asyncio.create_task(repeats.close())
    await asyncio.sleep(0)
    trail.slow.set()
    await closing
    assert trail.counts == {"s": 3}
    assert repeats._timer is None
    await repeats.record(event("later"))
    assert repeats._timer is None


async def test_a_first_one_that_fails_is_tried_by_the_next(trail: Trail) -> None:
    repeats = Repeats(trail.write)
    trail.away = True
    told = await asyncio.gather(*(repeats.record(event()) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [DatabaseDown] * 3
    trail.away = False
    await repeats.record(event())
    await repeats.close()
    assert trail.rows == [("s", 1)]


async def test_counts_that_can_not_be_written_are_kept(trail: Trail) -> None:
    repeats = Repeats(trail.write, interval=EVERY)
    for _ in range(3):
        await repeats.record(event())
    trail.away = True
    await asyncio.sleep(EVERY * 3)
    assert trail.rows == [("s", 1)]
    trail.away = False
    await until(lambda: len(trail.rows) > 1)
    assert trail.counts == {"s": 3}
    await repeats.close()


async def test_whoever_leaves_takes_the_row_from_nobody(trail: Trail) -> None:
    repeats = Repeats(trail.write)
    trail.slow.clear()
    first = asyncio.create_task(repeats.record(event()))
    second = asyncio.create_task(repeats.record(event()))
    await asyncio.sleep(0)
    first.cancel()
    trail.slow.set()
    await second
    assert trail.rows == [("s", 1)]


async def test_bounded_for_each_caller(trail: Trail) -> None:
    repeats = Repeats(trail.write, kinds_per_caller=5)
    for number in range(100):
        await repeats.record(event(number))
        await repeats.record(event(actor=f"another-{number}"))
    assert [row for row in trail.rows if row[0] != "s"] == [*((number, 1) for number in range(5)), (None, 1)]
    await repeats.close()
    assert trail.counts[None] == 95


async def test_bounded_for_all(trail: Trail) -> None:
    """Kinds beyond the maximum are counted together, and none is lost."""
    repeats = Repeats(trail.write, kinds=10)
    for _ in range(3):
        for number in range(100):
            await repeats.record(event(number, actor=str(number)))
    assert trail.rows == [*((number, 1) for number in range(10)), (None, 1)]
    assert len(repeats._kinds) == 11
    await repeats.close()
    assert trail.counts == dict.fromkeys(range(10), 3) | {None: 270}
    assert len(trail.rows) == 22


async def test_an_overflow_for_each_action_and_outcome(trail: Trail) -> None:
    """Its rows name nobody."""
    rows: list[tuple[AuditEntry, int]] = []

    async def write(entry: AuditEntry, count: int) -> None:
        rows.append((entry, count))

    repeats = Repeats(write, kinds=1)
    await repeats.record(event())
    del rows[:]
    for _ in range(2):
        for action in ("read", "complete"):
            for outcome in ("ok", "FORBIDDEN"):
                for number in range(3):
                    about = event(number, actor=str(number))
                    named = replace(about, user="alice", client_id="app", provider="oura", connection_id=str(number))
                    await repeats.record(replace(named, action=action, outcome=outcome))
    assert len(rows) == 4
    await repeats.close()
    assert len(rows) == 8
    kinds = [(action, outcome) for action in ("read", "complete") for outcome in ("ok", "FORBIDDEN")]
    nobody = replace(event(None), actor=None)
    for (action, outcome), first, rest in zip(kinds, rows[:4], rows[4:], strict=True):
        overflow = replace(nobody, action=action, outcome=outcome)
        assert (first, rest) == ((overflow, 1), (overflow, 5))


async def test_a_cycle_of_kinds_writes_no_more_rows_than_there_are_kinds(trail: Trail) -> None:
    repeats = Repeats(trail.write, interval=EVERY, kinds=10)
    began = asyncio.get_running_loop().time()
    sent = 0
    while asyncio.get_running_loop().time() < began + 10 * EVERY:
        for number in range(21):
            await repeats.record(event(number, actor=str(number)))
            sent += 1
        await asyncio.sleep(EVERY / 50)
    turns = (asyncio.get_running_loop().time() - began) // EVERY + 1
    assert len(trail.rows) <= 11 * (turns + 1)
    await repeats.close()
    assert sum(trail.counts.values()) == sent


async def test_kinds_that_have_ended_make_place_for_others(trail: Trail) -> None:
    repeats = Repeats(trail.write, interval=EVERY, kinds=2)
    for number in range(4):
        await repeats.record(event(number, actor=str(number)))
    await until(lambda: not repeats._kinds)
    assert trail.counts == {0: 1, 1: 1, None: 2}
    await repeats.record(event(4, actor="4"))
    assert trail.counts[4] == 1
    await repeats.close()


async def test_an_overflow_that_fails_is_tried_by_the_next(trail: Trail) -> None:
    repeats = Repeats(trail.write, kinds=1)
    await repeats.record(event())
    trail.away = True
    for number in range(3):
        with pytest.raises(DatabaseDown):
            await repeats.record(event(number, actor=str(number)))
    trail.away = False
    await repeats.record(event(9, actor="9"))
    assert len(repeats._kinds) == 2
    await repeats.close()
    assert trail.counts == {"s": 1, None: 1}
