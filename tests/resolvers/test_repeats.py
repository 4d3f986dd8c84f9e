"""Counting repeated events: the first is written at once, the others are counted, and none is lost."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from models.database import DatabaseDown
from resolvers.repeats import Kind, Repeats
from tests.loop_clock import settled
from tests.resolvers.trail import Trail, event


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
