"""Counting repeated events over time: one row a minute of each kind, and nothing after the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from models.audit_event import AuditEntry
from resolvers.repeats import Repeats
from tests.loop_clock import LoopClock, settled
from tests.resolvers.trail import EVERY, Trail, event


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
