"""What a worker starts at each tick, and what it logs if it can't."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import structlog

from models.database import DatabaseDown
from resolvers.context import Context
from resolvers.due_work import DueWork
from worker.kinds import Kind
from worker.reports import Reports
from worker.ticker import Pace, Ticker
from worker.units import Units


class Engine:
    """Notes what is started. If it `hangs`, calls don't end."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.started: list[tuple[str, str]] = []
        self.cleaned = 0
        self._hangs = hangs

    async def enqueue(self, partition: str, unit_id: str, kind: str, id: str) -> None:  # noqa: A002
        if self._hangs:
            await asyncio.Event().wait()
        self.started.append((partition, unit_id))

    async def forget_old(self) -> None:
        self.cleaned += 1


async def run(_context: Context, _id: str) -> None: ...


class Database:
    """Answers as often as `outcomes` has no failure for it, and then always."""

    def __init__(self, outcomes: Sequence[DatabaseDown | None] = ()) -> None:
        self._outcomes = iter(outcomes)

    async def ping(self) -> None:
        outcome = next(self._outcomes, None)
        if outcome is not None:
            raise outcome

    async def unusable(self) -> list[str]:
        return []


async def ticks(
    count: int, due: Any, again: float = 10**9, *, engine: Engine | None = None, database: Database | None = None
) -> list[tuple[str, str]]:
    """What is started in so many ticks in which the database answers."""
    engine, left, over = engine or Engine(), iter(range(count)), asyncio.Event()

    async def counted(context: Context, most: int) -> Sequence[DueWork]:
        if next(left, None) is None:
            over.set()
            return []
        return await due(context, most)

    resources: Any = None
    answering: Any = database or Database()
    keys: Any = answering
    pace = Pace(tick=0, again=again, patience=0.01)
    # A minute has passed whenever somebody looks.
    clock = itertools.count(0, 60)
    reports = Reports(answering, keys, Units(resources, {}), clock=lambda: next(clock))
    ticker = Ticker(resources, engine, [Kind("k", counted, run)], reports, pace)
    ticking = asyncio.create_task(ticker.run())
    await over.wait()
    ticking.cancel()
    return engine.started


async def test_each_piece_is_started_once_for_each_key() -> None:
    keys = iter(["1", "1", "2"])

    async def due(_context: Context, _most: int) -> list[DueWork]:
        return [DueWork("a", next(keys), "oura"), DueWork("b", "1")]

    started = [(partition, unit.rpartition(":")[0]) for partition, unit in await ticks(3, due)]
    assert started == [("k:oura", "k:a:1"), ("k:", "k:b:1"), ("k:oura", "k:a:2")]


async def test_what_is_still_due_is_started_again_in_the_next_period() -> None:
    async def due(_context: Context, _most: int) -> list[DueWork]:
        # A period is over.
        await asyncio.sleep(0.002)
        return [DueWork("a", "1")]

    started = await ticks(5, due, again=0.001)
    assert len({unit for _, unit in started}) == 5


async def test_a_failure_is_logged_once_while_it_lasts() -> None:
    outcomes = iter([DatabaseDown("one"), DatabaseDown("one"), DatabaseDown("two"), None, DatabaseDown("two")])

    async def due(_context: Context, _most: int) -> list[DueWork]:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return []

    with structlog.testing.capture_logs() as logged:
        assert await ticks(5, due) == []
    assert [event["error"] for event in logged if event["event"] == "work.not.started"] == ["one", "two", "two"]


async def test_nothing_is_looked_for_while_the_database_is_away() -> None:
    async def due(_context: Context, _most: int) -> list[DueWork]:
        return [DueWork("a", "1")]

    engine = Engine()
    with structlog.testing.capture_logs() as logged:
        started = await ticks(1, due, engine=engine, database=Database([DatabaseDown("gone"), DatabaseDown("gone")]))
    # Two ticks while it is away, and two when it is back, of which the last one finds nothing due.
    assert (len(started), engine.cleaned) == (1, 2)
    away = ["work.database.away", "work.alive"]
    assert [event["event"] for event in logged] == [*away, *away, "work.database.back", "work.alive", "work.alive"]


async def test_an_engine_that_waits_for_the_database_holds_up_no_report() -> None:
    async def due(_context: Context, _most: int) -> list[DueWork]:
        return [DueWork("a", "1")]

    with structlog.testing.capture_logs() as logged:
        assert await ticks(2, due, engine=Engine(hangs=True)) == []
    told = [event["error"] for event in logged if event["event"] == "work.not.started"]
    assert (told, [event["event"] for event in logged].count("work.alive")) == (["it took too long"], 3)
