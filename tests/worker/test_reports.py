"""What a worker logs about itself, on a clock that the test moves."""

from __future__ import annotations

from typing import Any

import structlog

from models.database import DatabaseDown
from worker.reports import Reports
from worker.units import Units


class World:
    """A worker's reports, and the database, the keys and the clock that they use. `reason` is why the database is away,
    and `lacks` has the keys that are unusable."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.reason: str | None = None
        self.lacks: list[str] = []
        database: Any = self
        keys: Any = self
        resources: Any = None
        self.reports = Reports(database, keys, Units(resources, {}), clock=lambda: self.now)

    async def ping(self) -> None:
        if self.reason is not None:
            raise DatabaseDown(self.reason)

    async def unusable(self) -> list[str]:
        return self.lacks


def test_it_is_alive_once_a_minute() -> None:
    world = World()
    with structlog.testing.capture_logs() as logged:
        reported: list[bool] = []
        for seconds in (0, 59, 1, 59, 1):
            world.now += seconds
            reported.append(world.reports.alive())
    assert reported == [False, False, True, False, True]
    assert logged == [{"event": "work.alive", "log_level": "info", "running": 0, "ended": 0, "failed": 0}] * 2


async def test_an_outage_is_logged_once_a_minute_and_at_its_end() -> None:
    world = World()
    told: list[tuple[Any, ...]] = []
    with structlog.testing.capture_logs() as logged:
        for seconds, reason in [(0, None), (1, "a"), (1, "a"), (1, "b"), (59, "b"), (1, "b"), (1, None), (1, None)]:
            world.now += seconds
            world.reason = reason
            assert await world.reports.database_answers() is (reason is None)
    told = [(event["event"], event["log_level"], event.get("reason"), event["seconds"]) for event in logged]
    assert told == [
        ("work.database.away", "warning", "a", 0),
        ("work.database.away", "warning", "b", 2),
        ("work.database.away", "warning", "b", 62),
        ("work.database.back", "info", None, 63),
    ]


async def test_a_second_outage_is_logged_at_once() -> None:
    world = World()
    with structlog.testing.capture_logs() as logged:
        for reason in ("a", None, "a"):
            world.reason = reason
            await world.reports.database_answers()
    assert [event["event"] for event in logged] == ["work.database.away", "work.database.back", "work.database.away"]


async def test_keys_that_are_missing_are_named_at_the_start_and_once_a_minute() -> None:
    world = World()
    named: list[str] = []
    for seconds, lacks in [(0, ["k1", "k2"]), (59, ["k1"]), (1, ["k1"]), (60, [])]:
        world.now += seconds
        world.lacks = lacks
        with structlog.testing.capture_logs() as logged:
            await world.reports.check_keys()
        named.append(" ".join(f"{event['event']} {event['log_level']}: {event['fault']}" for event in logged))
    told = "vault.failed error: these keys are missing here or differ: "
    assert named == [f"{told}k1, k2", "", f"{told}k1", ""]
