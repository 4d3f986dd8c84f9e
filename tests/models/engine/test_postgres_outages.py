"""A PostgreSQL server that is away or hangs, connections that it closes, and a pool that is exhausted: DatabaseDown in
time, and no trace afterwards."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from contextlib import suppress
from time import monotonic

import asyncpg
import pytest

from models.database import Database, DatabaseDown, Limits, open_database
from tests.models.engine.promises import COUNT, sql
from tests.postgres import PostgresServer, programs


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    """A server that other tests don't need to be up."""
    server = PostgresServer(programs())
    yield server
    server.remove()


async def test_settings_of_the_sessions(server: PostgresServer) -> None:
    async with open_database(await server.create(), Limits(connections=2, seconds=1.5)) as database:
        for name, value in {
            "statement_timeout": "1500ms",
            "idle_in_transaction_session_timeout": "1500ms",
            "application_name": "tendon",
            "synchronous_commit": "on",
            "tcp_keepalives_idle": "5",
        }.items():
            assert await sql(database, f"SHOW {name}") == [(value,)]


async def test_a_servers_socket(server: PostgresServer) -> None:
    name = (await server.create()).rpartition("/")[2]
    # The port is a part of the socket's name.
    async with open_database(f"postgres://tendon@:{server.port}/{name}?host={server.folder}") as database:
        await database.ping()


async def test_a_server_that_is_away_is_found_again(server: PostgresServer) -> None:
    url = await server.create()
    async with open_database(url) as database:
        await database.ping()
        server.stop("immediate")
        try:
            with pytest.raises(DatabaseDown):
                await database.ping()
        finally:
            server.start()
        await database.ping()


async def test_a_server_that_hangs_keeps_nobody_waiting(server: PostgresServer) -> None:
    url = await server.create()
    async with open_database(url, Limits(connections=2, seconds=0.5)) as database:
        await database.ping()
        server.signal(signal.SIGSTOP)
        try:
            for _ in range(3):
                began = monotonic()
                with pytest.raises(DatabaseDown):
                    await database.ping()
                assert monotonic() - began < 5
        finally:
            server.signal(signal.SIGCONT)
        async with asyncio.timeout(10):
            await database.ping()


async def test_waiting_for_a_connection_is_bounded(server: PostgresServer) -> None:
    async with open_database(await server.create(), Limits(connections=1, seconds=0.3)) as database:
        # The server ends the transaction, since that is idle for as long as the other task waits.
        with suppress(DatabaseDown):
            async with database.exclusively(1):
                with pytest.raises(DatabaseDown, match="TimeoutError") as raised:
                    await database.ping()
                assert not raised.value.in_doubt
        await database.ping()


async def test_waiting_for_the_table_lock_of_another_is_bounded(server: PostgresServer) -> None:
    url = await server.create_migrated()
    outside = await asyncpg.connect(url)
    async with open_database(url, Limits(seconds=0.3)) as database, outside.transaction():
        await outside.execute("LOCK TABLE audit_event")
        with pytest.raises(DatabaseDown, match="QueryCanceledError 57014"):
            await COUNT.row(database)
    await outside.close()


async def test_an_idle_transaction_is_ended_by_the_server(server: PostgresServer) -> None:
    """Its rows are free for others, and its next statement fails."""
    url = await server.create_migrated()
    async with open_database(url, Limits(seconds=0.3)) as database:
        with pytest.raises(DatabaseDown):
            await _idle(database)
        async with database.exclusively(1) as transaction:
            await sql(transaction, "LOCK TABLE audit_event")


async def _idle(database: Database) -> None:
    async with database.exclusively(1) as transaction:
        await sql(transaction, "LOCK TABLE audit_event")
        await asyncio.sleep(1)
        await sql(transaction, "SELECT 1")


async def test_connections_that_the_server_closes_are_replaced(server: PostgresServer) -> None:
    url = await server.create()
    async with open_database(url) as database:
        for _ in range(3):
            await database.ping()
            outside = await asyncpg.connect(url)
            await outside.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tendon'"
            )
            await outside.close()
            # One statement may still be given the closed connection.
            with suppress(DatabaseDown):
                await database.ping()
            await database.ping()
