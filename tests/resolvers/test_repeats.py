"""Counting repeated events: never a row too many, never a first one lost, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from models.audit_event import AuditEntry
from models.database import DatabaseDown
from resolvers.repeats import Kind, Repeats
from tests.loop_clock import LoopClock, held_clock, settled

EVERY = 60.0
"""Seconds between two rows of one kind."""


class Trail:
    """The rows that were written. While it is `away`, every write fails, and while it is `slow`, none ends."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, int]] = []
        self.away = False
        self.slow = asyncio.Event()
        self.slow.set()
        self.writing = self.most_at_once = 0

    async def write(self, entry: AuditEntry, count: int) -> None:
        self.writing += 1
        self.most_at_once = max(self.most_at_once, self.writing)
        try:
            await self.slow.wait()
            await asyncio.sleep(0)
        finally:
            self.writing -= 1
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
async def trail() -> Trail:
    return Trail()


@pytest.fixture
async def clock() -> AsyncGenerator[LoopClock]:
    with held_clock() as clock:
        yield clock


def event(subject: Any = "s", actor: str = "a") -> AuditEntry:
    return AuditEntry(
        actor=actor, user=None, client_id=None, subject=subject, action="", provider=None, outcome="", request_id="r"
    )


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


async def test_a_first_one_that_fails_is_tried_by_the_next(trail: Trail) -> None:
    repeats = Repeats(trail.write)
    trail.away = True
    told = await asyncio.gather(*(repeats.record(event()) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [DatabaseDown] * 3
    trail.away = False
    await repeats.record(event())
    await repeats.close()
    assert trail.rows == [("s", 1)]


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


# Over time


async def test_counts_are_written_once_a_minute(trail: Trail, clock: LoopClock) -> None:
    repeats = Repeats(trail.write)
    for _ in range(3):
        await repeats.record(event())
    await clock.advance(EVERY - 0.1, step=1)
    assert trail.rows == [("s", 1)]
    await clock.advance(0.2)
    assert trail.rows == [("s", 1), ("s", 2)]
    # The next minute begins with the row.
    await repeats.record(event())
    await clock.advance(EVERY - 0.2, step=1)
    assert trail.rows == [("s", 1), ("s", 2)]
    await clock.advance(0.2)
    assert trail.rows == [("s", 1), ("s", 2), ("s", 1)]
    await repeats.close()


async def test_after_a_minute_without_it_an_event_is_a_first_one_again(trail: Trail, clock: LoopClock) -> None:
    repeats = Repeats(trail.write)
    for _ in range(3):
        await repeats.record(event())
        await clock.advance(EVERY + 1, step=1)
    assert trail.rows == [("s", 1)] * 3
    await clock.advance(EVERY + 1, step=1)
    # Nothing is left of it in memory.
    assert not repeats._kinds
    assert not repeats._callers
    await repeats.close()
    assert trail.rows == [("s", 1)] * 3


async def test_each_kind_has_a_minute_of_its_own(trail: Trail, clock: LoopClock) -> None:
    repeats = Repeats(trail.write)
    began, written = clock.now, dict[Any, float]()
    for subject in ("first", "second"):
        for _ in range(2):
            await repeats.record(event(subject))
        await clock.advance(EVERY / 2, step=1)
    while len(written) < 2:
        written |= {subject: clock.now - began for subject, count in trail.counts.items() if count == 2} | written
        await clock.advance(1, step=1)
        assert clock.now < began + 5 * EVERY
    assert written == pytest.approx({"first": EVERY, "second": 1.5 * EVERY}, abs=2)
    await repeats.close()


async def test_the_row_of_a_count_is_that_of_the_latest_event(clock: LoopClock) -> None:
    rows: list[tuple[str, int]] = []

    async def write(entry: AuditEntry, count: int) -> None:
        rows.append((entry.request_id, count))

    repeats = Repeats(write)
    for request_id in ("1", "2", "3"):
        await repeats.record(replace(event(), request_id=request_id))
    await clock.advance(EVERY + 1, step=1)
    assert rows == [("1", 1), ("3", 2)]
    await repeats.close()


async def test_counts_that_can_not_be_written_are_kept(trail: Trail, clock: LoopClock) -> None:
    """They are tried again with the next ones, a minute later."""
    repeats = Repeats(trail.write)
    for _ in range(3):
        await repeats.record(event())
    trail.away = True
    with capture_logs() as logged:
        await clock.advance(EVERY + 1, step=1)
    # What other tests left may write as time passes.
    assert [(line["event"], line["count"]) for line in logged if line.get("error") == "away"] == [("audit.delayed", 2)]
    await repeats.record(event())
    trail.away = False
    assert trail.rows == [("s", 1)]
    await clock.advance(EVERY, step=1)
    assert trail.rows == [("s", 1), ("s", 3)]
    await repeats.close()


async def test_a_first_row_that_takes_long_keeps_nobody_busy(
    trail: Trail, clock: LoopClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at once a minute."""
    repeats = Repeats(trail.write)
    trail.slow.clear()
    recording = asyncio.create_task(repeats.record(event()))
    await clock.advance(EVERY + 1, step=1)
    loop, timers = asyncio.get_running_loop(), list[float]()
    start = loop.call_at

    def call_at(when: float, callback: Any, *arguments: Any) -> asyncio.TimerHandle:
        if getattr(callback, "__self__", None) is repeats:
            timers.append(when)
        return start(when, callback, *arguments)

    monkeypatch.setattr(loop, "call_at", call_at)
    await clock.advance(2 * EVERY, step=1)
    assert len(timers) == 2
    trail.slow.set()
    await recording
    await clock.advance(EVERY + 1, step=1)
    await repeats.record(event())
    assert trail.rows == [("s", 1), ("s", 1)]
    await repeats.close()


async def test_a_cycle_of_kinds_writes_no_more_rows_than_there_are_kinds(trail: Trail, clock: LoopClock) -> None:
    repeats = Repeats(trail.write, kinds=10)
    for _ in range(10):
        for number in range(21):
            await repeats.record(event(number, actor=str(number)))
        await clock.advance(EVERY / 2, step=1)
    assert len(trail.rows) <= 11 * 6
    await repeats.close()
    assert sum(trail.counts.values()) == 210


# At its end


async def test_once_closed_it_writes_no_more(trail: Trail, clock: LoopClock) -> None:
    """Even if the timer had started a write when it was closed."""
    repeats = Repeats(trail.write)
    for _ in range(3):
        await repeats.record(event())
    trail.slow.clear()
    await clock.advance(EVERY + 1, step=1)
    assert trail.writing == 1
    closing = asyncio.create_task(repeats.close())
    await settled()
    assert not closing.done()
    trail.slow.set()
    await closing
    assert trail.rows == [("s", 1), ("s", 2)]
    await repeats.record(event("later"))
    await repeats.record(event("later"))
    await clock.advance(3 * EVERY, step=1)
    assert trail.rows == [("s", 1), ("s", 2), ("later", 1)]


async def test_a_timer_that_runs_ends_with_it(trail: Trail, clock: LoopClock) -> None:
    """The database may be closed when it would fire."""
    repeats = Repeats(trail.write)
    for _ in range(2):
        await repeats.record(event())
    await repeats.close()
    await repeats.record(event())
    await clock.advance(3 * EVERY, step=1)
    assert trail.rows == [("s", 1), ("s", 1)]


async def test_closing_waits_for_first_rows(trail: Trail) -> None:
    repeats = Repeats(trail.write)
    trail.slow.clear()
    recording = asyncio.create_task(repeats.record(event()))
    await settled()
    closing = asyncio.create_task(repeats.close())
    await settled()
    assert not closing.done()
    trail.slow.set()
    await closing
    assert trail.rows == [("s", 1)]
    await recording


async def test_rows_are_not_all_written_at_once(trail: Trail) -> None:
    """They must leave connections to the database for requests."""
    repeats = Repeats(trail.write)
    for _ in range(2):
        for number in range(100):
            await repeats.record(event(number, actor=str(number)))
    assert trail.most_at_once == 1
    await repeats.close()
    assert trail.counts == dict.fromkeys(range(100), 2)
    assert trail.most_at_once == 32


# Bounds


async def test_kinds_that_have_ended_make_place_for_others(trail: Trail, clock: LoopClock) -> None:
    repeats = Repeats(trail.write, kinds=2)
    with capture_logs() as logged:
        for number in range(4):
            await repeats.record(event(number, actor=str(number)))
    assert [(line["event"], line["action"], line["outcome"]) for line in logged] == [("audit.overflow", "", "")]
    await clock.advance(2 * EVERY + 1, step=1)
    assert trail.counts == {0: 1, 1: 1, None: 2}
    for number in (4, 5):
        await repeats.record(event(number, actor=str(number)))
        assert trail.counts[number] == 1
    await repeats.record(event(6, actor="6"))
    await repeats.close()
    assert trail.counts[6] == 0
    assert trail.counts[None] == 3


async def test_a_callers_kinds_that_have_ended_make_place_for_others(trail: Trail, clock: LoopClock) -> None:
    repeats = Repeats(trail.write, kinds_per_caller=2)
    for begin in (0, 10):
        for number in range(begin, begin + 2):
            await repeats.record(event(number))
            assert trail.counts[number] == 1
        await clock.advance(EVERY + 1, step=1)
    assert trail.counts[None] == 0
    await repeats.close()


async def test_bounded_for_all(trail: Trail) -> None:
    """Kinds beyond the maximum are counted together, and none is lost."""
    repeats = Repeats(trail.write, kinds=10)
    for _ in range(3):
        for number in range(100):
            await repeats.record(event(number, actor=str(number)))
    assert trail.rows == [*((number, 1) for number in range(10)), (None, 1)]
    await repeats.close()
    assert trail.counts == dict.fromkeys(range(10), 3) | {None: 270}
    assert len(trail.rows) == 22


async def test_the_usual_bounds(trail: Trail) -> None:
    """2,000 kinds, of which 32 of one caller."""
    repeats = Repeats(trail.write)
    for number in range(40):
        await repeats.record(event(f"one-{number}"))
    assert trail.rows == [*((f"one-{number}", 1) for number in range(32)), (None, 1)]
    del trail.rows[:]
    for number in range(2000):
        await repeats.record(event(number, actor=str(number)))
    assert trail.rows == [*((number, 1) for number in range(2000 - 33)), (None, 1)]
    await repeats.close()


async def test_an_overflow_that_fails_is_tried_by_the_next(trail: Trail) -> None:
    """And counts as no kind, as if it had not been."""
    repeats = Repeats(trail.write, kinds=2)
    await repeats.record(event())
    trail.away = True
    for number in range(3):
        with pytest.raises(DatabaseDown):
            await repeats.record(event(number, actor=str(number)))
    trail.away = False
    for number in (8, 9, 10):
        await repeats.record(event(number, actor=str(number)))
    await repeats.close()
    assert trail.counts == {"s": 1, 8: 1, None: 2}


async def test_failures_take_no_place_from_a_caller(trail: Trail) -> None:
    repeats = Repeats(trail.write, kinds_per_caller=2)
    trail.away = True
    for number in range(5):
        with pytest.raises(DatabaseDown):
            await repeats.record(event(number))
    trail.away = False
    for number in range(5, 8):
        await repeats.record(event(number))
    assert trail.rows == [(5, 1), (6, 1), (None, 1)]
    await repeats.close()


async def test_an_overflow_takes_no_place_from_a_kind(trail: Trail, clock: LoopClock) -> None:
    """Neither while it lasts nor as one of those that the maximum is for."""
    repeats = Repeats(trail.write, kinds=3)
    for number in range(4):
        await repeats.record(event(number, actor=str(number)))
    await repeats.record(event(5, actor="5"))
    await clock.advance(EVERY + 1, step=1)
    # The overflow goes on for another minute, as it had a count to write.
    for number in (6, 7, 8):
        await repeats.record(event(number, actor=str(number)))
    assert trail.rows[-3:] == [(6, 1), (7, 1), (8, 1)]
    await repeats.close()


async def test_a_callers_kind_that_ends_leaves_its_others_counted(trail: Trail, clock: LoopClock) -> None:
    repeats = Repeats(trail.write, kinds_per_caller=2)
    await repeats.record(event(1))
    await clock.advance(EVERY / 2, step=1)
    await repeats.record(event(2))
    await clock.advance(EVERY / 2 + 1, step=1)
    for number in (3, 4):
        await repeats.record(event(number))
    assert trail.rows == [(1, 1), (2, 1), (3, 1), (None, 1)]
    await repeats.close()


async def test_an_overflow_leaves_a_kind_free_when_it_ends(trail: Trail, clock: LoopClock) -> None:
    """It is not one of those that the maximum is for."""
    repeats = Repeats(trail.write, kinds=1)
    for number in range(2):
        await repeats.record(event(number, actor=str(number)))
    for _ in range(3):
        await clock.advance(EVERY + 1, step=1)
        await repeats.record(event(0, actor="0"))
    await repeats.record(event(7, actor="7"))
    await repeats.close()
    assert trail.counts == {0: 4, None: 2}
