"""What both engines make of the functions that statements have in common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from models.connection import find_by_id
from models.database import Database
from tests.models.flows import connect
from tests.models.rows import run, value

SHOWN = "SELECT rfc3339(last_sync_at) AS synced FROM connection"


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 11, 23, 12, tzinfo=UTC), "2026-11-23T12:00:00.000Z"),
        (datetime(2026, 1, 2, 3, 4, 59, 999_999, tzinfo=UTC), "2026-01-02T03:04:59.999Z"),
        (datetime(2026, 12, 31, 23, 59, 59, 1000, tzinfo=timezone(timedelta(hours=-2))), "2027-01-01T01:59:59.001Z"),
        (datetime(1, 1, 2, tzinfo=UTC), "0001-01-02T00:00:00.000Z"),
        (datetime(9999, 12, 30, tzinfo=UTC), "9999-12-30T00:00:00.000Z"),
        (None, None),
    ],
)
async def test_rfc3339(database: Database, time: datetime | None, text: str | None) -> None:
    identity = await connect(database)
    await run(database, "UPDATE connection SET last_sync_at = :time", time=time)
    assert await value(database, SHOWN) == text
    shown = await find_by_id(database, identity)
    assert shown is not None
    assert shown.last_sync_at == text


async def test_rfc3339_of_the_databases_clock(database: Database) -> None:
    await connect(database)
    ((stored, text),) = await run(database, "SELECT created_at, rfc3339(created_at) AS created FROM connection")
    assert text == stored.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_rfc3339_whatever_the_settings_of_the_session_are(database: Database) -> None:
    await connect(database)
    await run(database, "UPDATE connection SET last_sync_at = :time", time=datetime(2026, 11, 23, 12, tzinfo=UTC))
    async with database.exclusively(1) as session:
        if session.dialect == "postgres":
            for name, setting in (("TimeZone", "Asia/Kolkata"), ("DateStyle", "German"), ("lc_time", "C")):
                await run(session, f"SELECT set_config('{name}', '{setting}', true)")
        assert await value(session, SHOWN) == "2026-11-23T12:00:00.000Z"
