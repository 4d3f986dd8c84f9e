"""A synchronous standby that is silent: the primary can't finish a COMMIT, and nothing may end its wait."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from models.database import Database, DatabaseDown, Limits, open_database
from tests.models.engine.promises import COUNT, note
from tests.postgres import PostgresServer
from tests.waiting import until

SIZE = 3


@pytest.fixture
async def admin(primary: PostgresServer, standby: PostgresServer) -> AsyncGenerator[Any]:
    """A session of the administrator, whose COMMITs wait for no standby."""
    session = await asyncpg.connect(primary.url("postgres"))
    await session.execute("SET synchronous_commit = local")
    await session.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await session.execute("SELECT pg_reload_conf()")
    await until(lambda: _is_synchronous(session), "the standby to be synchronous")
    yield session
    standby.signal(signal.SIGCONT)
    await session.execute("ALTER SYSTEM RESET synchronous_standby_names")
    await session.execute("SELECT pg_reload_conf()")
    await session.close()


async def _is_synchronous(session: Any) -> bool:
    return "sync" in [state for (state,) in await session.fetch("SELECT sync_state FROM pg_stat_replication")]


@pytest.fixture
async def database(admin: Any, primary: PostgresServer) -> AsyncGenerator[Database]:
    url = await primary.create_migrated()
    async with open_database(url, Limits(connections=SIZE, seconds=0.3)) as database:
        await note(database)
        yield database


async def sessions(admin: Any, waiting: str = "") -> int:
    counted = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tendon'"
    return await admin.fetchval(f"{counted} AND wait_event = '{waiting}'" if waiting else counted)


async def _write(database: Database) -> DatabaseDown | None:
    try:
        await note(database)
    except DatabaseDown as fault:
        return fault
    return None


async def test_a_silent_standby_costs_no_more_sessions_than_the_pool_has_slots(
    admin: Any, database: Database, standby: PostgresServer
) -> None:
    standby.signal(signal.SIGSTOP)
    assert await _in_doubt(database) == {True, False}
    # They have no connection to send anything with.
    for _ in range(2):
        assert await _in_doubt(database) == {False}
        assert await sessions(admin) == SIZE
    assert await sessions(admin, "SyncRep") == SIZE
    standby.signal(signal.SIGCONT)
    await until(lambda: _recovered(database), "the pool to recover")
    # Each COMMIT that waited takes effect as its session wakes up.
    await until(lambda: _counts(database, 1 + SIZE + 1), "the COMMITs")
    assert await sessions(admin) <= SIZE


async def _in_doubt(database: Database) -> set[bool | None]:
    """What several writes at once end with."""
    faults = await asyncio.gather(*(_write(database) for _ in range(2 * SIZE)))
    return {fault and fault.in_doubt for fault in faults}


async def _recovered(database: Database) -> bool:
    return await _write(database) is None


@pytest.mark.parametrize("way", ["time-out", "cancelled"])
async def test_a_commit_that_waits_is_never_cancelled_at_the_server(
    admin: Any, database: Database, primary: PostgresServer, standby: PostgresServer, way: str
) -> None:
    """The server would end the wait, and show others what no standby has."""
    standby.signal(signal.SIGSTOP)
    write = asyncio.create_task(_write(database))
    await until(lambda: _waits(admin), "the COMMIT to wait for the standby")
    if way == "cancelled":
        write.cancel()
        with pytest.raises(asyncio.CancelledError):
            await write
    else:
        fault = await write
        assert fault is not None
        assert fault.in_doubt
    assert await COUNT.row(database) == (1,)
    assert await sessions(admin, "SyncRep") == 1
    standby.signal(signal.SIGCONT)
    await until(lambda: _counts(database, 2), "the COMMIT")
    assert "canceling wait" not in (primary.folder / "log").read_text()


async def _waits(admin: Any) -> bool:
    return await sessions(admin, "SyncRep") == 1


async def _counts(database: Database, number: int) -> bool:
    row = await COUNT.row(database)
    # A write that was given up while the standby was catching up counts, too.
    return row is not None and row[0] >= number


async def test_closing_does_not_wait_for_the_standby(
    admin: Any, primary: PostgresServer, standby: PostgresServer
) -> None:
    url = await primary.create_migrated()
    async with open_database(url, Limits(connections=SIZE, seconds=0.3)) as database:
        await note(database)
        standby.signal(signal.SIGSTOP)
        assert await _write(database)
    assert await sessions(admin, "SyncRep") == 1
