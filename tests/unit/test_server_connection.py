"""PostgreSQL that is away, stands still, ends what we do or is taken: DatabaseDown in time, and found again after."""

from __future__ import annotations

import asyncio
import contextvars
import signal
from collections.abc import Generator
from contextlib import suppress
from time import monotonic

import asyncpg
import pytest
from tortoise.transactions import in_transaction

from models.database import DatabaseDown, Limits, open_database
from models.migrating import migrate
from tests.postgres import PostgresServer, programs


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    """One that other tests don't need to be up."""
    server = PostgresServer(programs())
    yield server
    server.remove()


async def test_settings_of_the_servers_connection(server: PostgresServer) -> None:
    async with open_database(await server.create(), Limits(connections=2, seconds=1.5)) as database:
        for name, value in {
            "statement_timeout": "1500ms",
            "idle_in_transaction_session_timeout": "1500ms",
            "application_name": "tendon",
            "synchronous_commit": "on",
            "tcp_keepalives_idle": "5",
        }.items():
            found = await database.client.execute_query_dict(f"SHOW {name}")
            assert found == [{name: value}]


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


async def test_a_server_that_stands_still_keeps_nobody_waiting(server: PostgresServer) -> None:
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


async def test_a_pool_that_is_taken_turns_away_in_time(server: PostgresServer) -> None:
    async with open_database(await server.create(), Limits(connections=1, seconds=0.3)) as database:
        outside = contextvars.copy_context()
        # The server ends the transaction for standing still as long as the other waits.
        with suppress(DatabaseDown):
            async with in_transaction():
                with pytest.raises(DatabaseDown, match="TimeoutError"):
                    await asyncio.create_task(database.ping(), context=outside)
        await database.ping()


async def test_a_lock_held_by_another_is_waited_for_and_no_longer(server: PostgresServer) -> None:
    url = await server.create()
    await migrate(url)
    outside = await asyncpg.connect(url)
    async with open_database(url, Limits(seconds=0.3)) as database, outside.transaction():
        await outside.execute("LOCK TABLE audit_event")
        with pytest.raises(DatabaseDown, match="QueryCanceledError 57014"):
            await database.client.execute_query("SELECT * FROM audit_event")
    await outside.close()


async def test_a_transaction_that_stands_still_is_ended(server: PostgresServer) -> None:
    """Its rows are free for others, and it hears of it."""
    url = await server.create()
    await migrate(url)
    async with open_database(url, Limits(seconds=0.3)):
        with pytest.raises(DatabaseDown):
            await _stand_still()
        async with in_transaction() as client:
            await client.execute_query("LOCK TABLE audit_event")


async def _stand_still() -> None:
    async with in_transaction() as client:
        await client.execute_query("LOCK TABLE audit_event")
        await asyncio.sleep(1)
        await client.execute_query("SELECT 1")


async def test_connections_that_the_server_ends_are_made_anew(server: PostgresServer) -> None:
    url = await server.create()
    async with open_database(url) as database:
        for _ in range(3):
            await database.ping()
            outside = await asyncpg.connect(url)
            await outside.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tendon'"
            )
            await outside.close()
            # One statement may still meet the connection that is no more.
            with suppress(DatabaseDown):
                await database.ping()
