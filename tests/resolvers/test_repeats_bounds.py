"""Counting repeated events in bounded memory: beyond a maximum, kinds are counted together, and none is lost."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from models.audit_event import AuditEntry
from models.database import DatabaseDown
from resolvers.repeats import Repeats
from tests.loop_clock import LoopClock
from tests.resolvers.trail import EVERY, Trail, event


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


async def test_a_cycle_of_kinds_writes_no_more_rows_than_there_are_kinds(trail: Trail, clock: LoopClock) -> None:
    repeats = Repeats(trail.write, kinds=10)
    for _ in range(10):
        for number in range(21):
            await repeats.record(event(number, actor=str(number)))
        await clock.advance(EVERY / 2, step=1)
    assert len(trail.rows) <= 11 * 6
    await repeats.close()
    assert sum(trail.counts.values()) == 210


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
