"""The probes: when the database is checked, what they answer, what is logged, and who probes regularly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from gateway.health import Health
from models.database import Database, DatabaseDown
from models.engine import Script
from models.pending import pending_migrations
from models.vault import Vault
from resolvers.log_context import LOG_CONTEXT
from tests.gateway.http11.loopback_app import head
from tests.gateway.http11.memory_connection import MemoryServer
from tests.gateway.virtual_time import in_virtual_time, now, settle

RETRY = "1"


class StandIn:
    """A database that answers as the test says, without threads and sockets, so that time may be virtual."""

    dialect = "sqlite"

    def __init__(self) -> None:
        self.migrations: list[str] = []
        self.fault: Callable[[], Exception] | None = None
        self.hangs = False
        self.pinged = 0
        self.checked = 0
        self.bound: list[Mapping[str, str]] = []

    async def ping(self) -> None:
        self.pinged += 1
        await self._answer()

    async def check_writable(self) -> None:
        self.checked += 1
        self.bound.append(LOG_CONTEXT.get())
        await self._answer()

    async def run(self, script: Script, values: object) -> Sequence[tuple[object, ...]]:
        return [(name,) for name in self.migrations] if "tortoise_migrations" in script.steps[0].text else []

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault:
            raise self.fault()


async def migrated() -> StandIn:
    found = StandIn()
    found.migrations = await pending_migrations(cast("Database", found))
    assert found.migrations
    return found


def new_health() -> Health:
    return Health(Vault({"k1": bytes(range(32))}))


@asynccontextmanager
async def watching(database: StandIn) -> AsyncGenerator[Health]:
    health = new_health()
    async with health.watching(cast("Database", database)):
        yield health


async def ask(health: Health, path: str, method: str = "GET") -> tuple[int, dict[str, str], Any]:
    connection = MemoryServer(health).connect()
    await connection.send(head("Host: test", start=f"{method} {path} HTTP/1.1"))
    fields, _, body = connection.received.decode().partition("\r\n\r\n")
    first, *lines = fields.split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), json.loads(body) if body else None


@in_virtual_time
async def test_a_process_that_is_ready() -> None:
    async with watching(await migrated()) as health:
        assert (await ask(health, "/livez"))[::2] == (200, {"status": "ok"})
        assert (await ask(health, "/readyz"))[::2] == (200, {"status": "ready"})
        status, headers, body = await ask(health, "/readyz", "HEAD")
        assert (status, headers["content-length"], body) == (200, "18", None)


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@in_virtual_time
async def test_other_methods_are_not_allowed(path: str) -> None:
    status, headers, _ = await ask(new_health(), path, "POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


@in_virtual_time
async def test_a_process_whose_database_is_not_open_yet_is_not_ready() -> None:
    status, headers, body = await ask(new_health(), "/readyz")
    assert (status, body) == (503, {"status": "unready", "reasons": ["database"]})
    assert headers["retry-after"] == RETRY
    assert (await ask(new_health(), "/livez"))[0] == 200


@in_virtual_time
async def test_a_process_that_stops_is_not_ready_and_checks_nothing_more() -> None:
    database = await migrated()
    async with watching(database) as health:
        await health.reasons()
        health.draining = True
        await asyncio.sleep(5)
        assert await health.reasons() == ("draining",)
        assert database.checked == 1


@in_virtual_time
async def test_the_first_check_begins_at_once() -> None:
    """So that the log shows whether the process is ready even if nothing probes it."""
    database = await migrated()
    with capture_logs() as logged:
        async with watching(database):
            await settle()
    assert logged == [{"event": "ready", "log_level": "info"}]


@in_virtual_time
async def test_a_check_is_good_for_a_second() -> None:
    database = await migrated()
    async with watching(database) as health:
        await health.reasons()
        await asyncio.sleep(0.99)
        await health.reasons()
        assert database.checked == 1
        await asyncio.sleep(0.02)
        await asyncio.gather(*(health.reasons() for _ in range(10)))
        assert database.checked == 2
    # Migrations that were there do not go away.
    assert database.pinged == 1


@in_virtual_time
async def test_migrations_that_are_missing() -> None:
    database = StandIn()
    with capture_logs() as logged:
        async with watching(database) as health:
            assert await health.reasons() == ("migrations",)
            database.migrations = (await migrated()).migrations
            await asyncio.sleep(1)
            assert await health.reasons() == ()
    assert [(event["event"], event.get("reasons")) for event in logged] == [
        ("unready", ["migrations"]),
        ("ready", None),
    ]
    assert logged[0]["pending"] == database.migrations


@pytest.mark.parametrize(
    ("fault", "error"),
    [(lambda: DatabaseDown("28P01"), "28P01"), (lambda: ZeroDivisionError("CANARY"), "ZeroDivisionError")],
)
@in_virtual_time
async def test_a_database_that_fails_is_logged_once_for_each_change(fault: Callable[[], Exception], error: str) -> None:
    database = await migrated()
    with capture_logs() as logged:
        async with watching(database) as health:
            for broken in (False, False, True, True, True, False):
                database.fault = fault if broken else None
                await asyncio.sleep(1)
                assert await health.reasons() == (("database",) if broken else ())
    assert [(event["event"], event["log_level"], event.get("error")) for event in logged] == [
        ("ready", "info", None),
        ("unready", "warning", error),
        ("ready", "info", None),
    ]


@in_virtual_time
async def test_a_database_that_hangs_fails_after_two_seconds() -> None:
    """Probes share the check, and one that leaves does not end it for the others."""
    database = await migrated()
    database.hangs = True
    with capture_logs() as logged:
        async with watching(database) as health:
            began = now()
            leaving, *probes = [asyncio.create_task(health.reasons()) for _ in range(5)]
            await asyncio.sleep(1.5)
            leaving.cancel()
            assert await asyncio.gather(*probes) == [("database",)] * 4
            assert now() - began == 2
            assert database.pinged == 1
            # The next check is due a second after the end of this one.
            await asyncio.sleep(0.9)
            await health.reasons()
            assert database.pinged == 1
            database.hangs = False
            await asyncio.sleep(0.1)
            assert await health.reasons() == ()
    assert [event.get("error") for event in logged] == ["no answer within 2.0 seconds", None]


@in_virtual_time
async def test_a_check_that_hangs_does_not_outlive_the_process() -> None:
    database = await migrated()
    database.hangs = True
    began = now()
    async with watching(database):
        await settle()
    assert now() == began


@in_virtual_time
async def test_what_a_check_logs_is_not_about_the_request_that_started_it() -> None:
    database = await migrated()
    async with watching(database) as health:
        await health.reasons()
        await asyncio.sleep(1)
        LOG_CONTEXT.set({"request_id": "a probe's"})
        await health.reasons()
    assert LOG_CONTEXT.get() == {"request_id": "a probe's"}
    assert database.bound == [{}, {}]


async def awaited(health: Health, *pauses: float) -> float:
    """For how many seconds the next probe is awaited, after probes with these pauses between them."""
    await ask(health, "/readyz")
    for pause in pauses:
        await asyncio.sleep(pause)
        await ask(health, "/readyz")
    seconds = 0.0
    while health.awaits_probe:
        await asyncio.sleep(0.25)
        seconds += 0.25
    return seconds


# Half an interval more, for probes that are late.
@pytest.mark.parametrize(
    ("pauses", "seconds"), [([], 0), ([2], 3), ([2, 4], 6), ([10], 15), ([10.25], 0), ([2, 11], 0), ([11, 2], 3)]
)
@in_virtual_time
async def test_whether_a_client_probes_regularly(pauses: list[float], seconds: float) -> None:
    health = new_health()
    assert not health.awaits_probe
    assert await awaited(health, *pauses) == seconds


@in_virtual_time
async def test_nothing_is_awaited_of_a_client_that_has_seen_the_drain() -> None:
    health = new_health()
    for _ in range(2):
        await ask(health, "/readyz")
        await asyncio.sleep(2)
    health.draining = True
    assert health.awaits_probe
    # Whether the process lives says nothing about that.
    await ask(health, "/livez")
    assert health.awaits_probe
    await ask(health, "/readyz")
    assert not health.awaits_probe
