"""Sessions that can't write, or that a proxy broke: closed and not lent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import asyncpg
import pytest

from models.database import Database, DatabaseDown, Limits, Session, open_database
from models.migrating import migrate
from models.statement import Statement
from tests.postgres import PostgresServer, programs
from tests.unit.test_desk import NOTE

COUNT = Statement("SELECT count(*) FROM audit_event")


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    """A server that other tests don't need to be writable."""
    server = PostgresServer(programs())
    yield server
    server.remove()


@pytest.fixture
async def database(server: PostgresServer) -> AsyncGenerator[Database]:
    url = await server.create()
    await migrate(url)
    async with open_database(url, Limits(connections=5)) as database:
        yield database


async def note(session: Session) -> None:
    await NOTE.rows(session, name="x", text="ok")


async def note_exclusively(database: Database) -> None:
    await database.run_exclusively(1, note)


@pytest.mark.parametrize("write", [note, note_exclusively])
async def test_a_server_that_is_read_only_for_a_while(server: PostgresServer, database: Database, write: Any) -> None:
    await write(database)
    await database.check_writable()
    await _switch(server, "on")
    try:
        # With the session from before, and with one that is opened in the meantime.
        for _ in range(2):
            with pytest.raises(DatabaseDown, match="25006") as raised:
                await write(database)
            assert not raised.value.in_doubt
            with pytest.raises(DatabaseDown, match="25006"):
                await database.check_writable()
        assert await COUNT.row(database) == (1,)
    finally:
        await _switch(server, "off")
    await _within_two_calls(database, write)
    await database.check_writable()


async def _switch(server: PostgresServer, value: str) -> None:
    session = await asyncpg.connect(server.url("postgres"))
    await session.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    await session.execute("SELECT pg_reload_conf()")
    while await session.fetchval("SHOW default_transaction_read_only") != value:  # noqa: ASYNC110 - the server reads it
        await asyncio.sleep(0.01)
    await session.close()


async def _within_two_calls(database: Database, write: Any) -> None:
    try:
        await write(database)
    except DatabaseDown:
        await write(database)


@pytest.mark.parametrize("write", [note, note_exclusively])
async def test_sessions_that_stay_read_only(database: Database, write: Any) -> None:
    """As behind a load balancer that keeps them at the demoted server: the first failure discards all of them."""
    client = database.client
    sessions = [await client.take() for _ in range(5)]
    for session in sessions:
        await session.execute("SET default_transaction_read_only = on")
        await client.give_back(session, None)
    # One is in use at the time. It can read, and must not be lent again either.
    held = await client.take()
    with pytest.raises(DatabaseDown, match="25006"):
        await write(database)
    assert client.pool.idle == ()
    await client.give_back(held, None)
    assert client.pool.idle == ()
    await write(database)
    assert client.pool.places == 5
    assert all(session.is_closed() for session in sessions)


async def test_whether_it_can_be_written_leaves_no_trace(database: Database) -> None:
    """Not even a transaction id."""
    before = await _next_transaction(database)
    for _ in range(50):
        await database.check_writable()
    assert await _next_transaction(database) == before + 1


async def _next_transaction(database: Database) -> int:
    rows = await database.client.execute_query_dict("SELECT txid_current() AS number")
    return rows[0]["number"]


async def test_prepared_statements_that_are_gone(database: Database) -> None:
    """26000: as behind a pooler that assigns each transaction another session."""
    client = database.client
    await COUNT.row(database)
    session = await client.take()
    await session.execute("DEALLOCATE ALL")
    await client.give_back(session, None)
    with pytest.raises(DatabaseDown, match="InvalidSQLStatementNameError 26000") as raised:
        await COUNT.row(database)
    assert not raised.value.in_doubt
    assert await COUNT.row(database) == (0,)


async def test_prepared_statements_of_somebody_else(database: Database) -> None:
    """42P05: another process has left statements with our names in the session."""
    client = database.client
    session = await client.take()
    number = int(session._get_unique_id("stmt").strip("_").rpartition("_")[2], 16)
    for later in range(1, 10):
        await session.execute(f"PREPARE __asyncpg_stmt_{number + later:x}__ AS SELECT 1")
    await client.give_back(session, None)
    with pytest.raises(DatabaseDown, match="DuplicatePreparedStatementError 42P05") as raised:
        await COUNT.row(database)
    assert not raised.value.in_doubt
    assert await COUNT.row(database) == (0,)


async def test_what_concerns_a_statement_alone_costs_no_session(database: Database) -> None:
    client = database.client
    session = await client.take()
    await client.give_back(session, None)
    for wrong in ("SELECT 1 / 0", "SELECT * FROM nothing", "SELECT '' :: int", "SELECT pg_sleep(9)"):
        if "sleep" in wrong:
            await session.execute("SET statement_timeout = 50")
        with pytest.raises(Exception):  # noqa: B017, PT011 - of several kinds
            await client.execute_query(wrong)
    assert client.pool.idle == (session,)
