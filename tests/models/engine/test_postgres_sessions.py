"""PostgreSQL sessions that can't write, or that a pooler broke: closed, and not used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from models.database import Database, DatabaseDown, Limits, open_database
from models.engine.postgres import PostgresTransaction
from tests.models.engine.promises import COUNT, note, sql
from tests.postgres import PostgresServer, programs

SIZE = 5
# Any number: these tests use a database of their own.
LOCK = 7


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    """A server that other tests don't need to be writable."""
    server = PostgresServer(programs())
    yield server
    server.remove()


@pytest.fixture
async def database(server: PostgresServer) -> AsyncGenerator[Database]:
    url = await server.create_migrated()
    async with open_database(url, Limits(connections=SIZE)) as database:
        yield database


async def note_exclusively(database: Database) -> None:
    async with database.exclusively(LOCK) as transaction:
        await note(transaction)


async def sessions(stack: AsyncExitStack, database: Database, count: int = SIZE) -> list[Any]:
    """So many of the pool at once, each in a transaction of its own."""
    transactions = [await stack.enter_async_context(database.exclusively(number)) for number in range(count)]
    return [one.connection for one in transactions if isinstance(one, PostgresTransaction)]


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
    """As behind a load balancer that keeps them at the demoted server: the first failure closes all of them."""
    async with AsyncExitStack() as stack:
        opened = await sessions(stack, database)
        for session in opened:
            await session.execute("SET default_transaction_read_only = on")
    # One is in use at the time. It can read, and must not be used again either.
    async with database.exclusively(99):
        assert sum(session.is_in_transaction() for session in opened) == 1
        with pytest.raises(DatabaseDown, match="25006"):
            await write(database)
        assert sum(session.is_closed() for session in opened) == SIZE - 1
    assert all(session.is_closed() for session in opened)
    await write(database)
    async with AsyncExitStack() as stack:
        assert len(await sessions(stack, database)) == SIZE


async def test_prepared_statements_that_are_gone(database: Database) -> None:
    """26000: as behind a pooler that assigns each transaction another session."""
    await COUNT.row(database)
    async with AsyncExitStack() as stack:
        (session,) = await sessions(stack, database, 1)
        await session.execute("DEALLOCATE ALL")
    with pytest.raises(DatabaseDown, match="InvalidSQLStatementNameError 26000") as raised:
        await COUNT.row(database)
    assert not raised.value.in_doubt
    assert await COUNT.row(database) == (0,)


async def test_prepared_statements_of_another_process(database: Database) -> None:
    """42P05: it has left statements with the same names in the session."""
    async with AsyncExitStack() as stack:
        (session,) = await sessions(stack, database, 1)
        number = int(session._get_unique_id("stmt").strip("_").rpartition("_")[2], 16)
        for later in range(1, 10):
            await session.execute(f"PREPARE __asyncpg_stmt_{number + later:x}__ AS SELECT 1")
    with pytest.raises(DatabaseDown, match="DuplicatePreparedStatementError 42P05") as raised:
        await COUNT.row(database)
    assert not raised.value.in_doubt
    assert await COUNT.row(database) == (0,)


async def test_an_error_of_the_statement_alone_keeps_the_session(database: Database) -> None:
    async with AsyncExitStack() as stack:
        (session,) = await sessions(stack, database, 1)
        await session.execute("SET statement_timeout = 50")
    before = await sql(database, "SELECT pg_backend_pid()")
    for wrong in ("SELECT 1 / 0", "SELECT * FROM nothing", "SELECT '' :: int", "SELECT pg_sleep(9)"):
        with pytest.raises(Exception):  # noqa: B017, PT011 - of several kinds
            await sql(database, wrong)
    assert await sql(database, "SELECT pg_backend_pid()") == before
