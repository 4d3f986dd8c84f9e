"""A PostgreSQL server that is away or hangs, connections that it closes, and a pool that is exhausted: DatabaseDown in
time, and no trace afterwards."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from models.database import Database, DatabaseDown, Limits, open_database
from tests.models.engine.promises import COUNT, PATIENCE, sql
from tests.postgres import PostgresServer, programs
from tests.proxy import Proxy
from tests.waiting import until


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    """A server that other tests don't need to be up."""
    server = PostgresServer(programs())
    yield server
    server.remove()


SETTINGS = {
    "statement_timeout": ("1500ms", "0"),
    "idle_in_transaction_session_timeout": ("1500ms", "0"),
    "application_name": ("tendon", "tendon"),
    "synchronous_commit": ("on", "on"),
    "default_transaction_isolation": ("read committed", "read committed"),
    "tcp_keepalives_idle": ("5", "5"),
    "tcp_keepalives_interval": ("2", "2"),
    "tcp_keepalives_count": ("3", "3"),
}


async def test_settings_of_the_sessions(server: PostgresServer) -> None:
    """The second are for migrations, which have no time limit."""
    url = await server.create()
    for place, seconds in enumerate((1.5, None)):
        async with open_database(url, Limits(connections=2, seconds=seconds)) as database:
            for name, values in SETTINGS.items():
                assert await sql(database, f"SHOW {name}") == [(values[place],)]


async def test_a_servers_socket(server: PostgresServer) -> None:
    name = (await server.create()).rpartition("/")[2]
    # The port is a part of the socket's name.
    async with open_database(f"postgres://tendon@:{server.port}/{name}?host={server.folder}") as database:
        await database.ping()


async def test_a_server_that_is_away_is_found_again(server: PostgresServer) -> None:
    url = await server.create()
    async with open_database(url) as database, open_database(url) as closed:
        await database.ping()
        await closed.ping()
        server.stop("immediate")
        try:
            with pytest.raises(DatabaseDown):
                await database.ping()
            with pytest.raises(DatabaseDown, match=r"^ConnectionRefusedError$") as raised:
                await database.ping()
            assert not raised.value.in_doubt
            await closed.close()
        finally:
            server.start()
        await database.ping()


async def test_a_server_that_hangs_keeps_nobody_waiting(server: PostgresServer) -> None:
    """A statement that was sent may be executed once the server goes on. A connection that never came sends none."""
    url = await server.create()
    async with open_database(url, Limits(connections=2, seconds=0.3)) as database:
        await database.ping()
        server.signal(signal.SIGSTOP)
        try:
            for in_doubt in (True, False):
                async with asyncio.timeout(PATIENCE):
                    with pytest.raises(DatabaseDown, match=r"^TimeoutError$") as raised:
                        await database.ping()
                assert raised.value.in_doubt == in_doubt
        finally:
            server.signal(signal.SIGCONT)
        async with asyncio.timeout(PATIENCE):
            await database.ping()


async def test_who_gives_up_on_a_server_that_hangs_does_not_wait_for_it(server: PostgresServer) -> None:
    """Whatever the limit is: what is restored for others is not worth it."""
    url = await server.create()
    async with open_database(url, Limits(connections=1, seconds=10 * PATIENCE)) as database:
        await database.ping()
        server.signal(signal.SIGSTOP)
        try:
            waiting = asyncio.create_task(database.ping())
            await asyncio.sleep(0)
            waiting.cancel()
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(asyncio.CancelledError):
                    await waiting
        finally:
            server.signal(signal.SIGCONT)
        # Its connection is closed, and its slot free.
        async with asyncio.timeout(PATIENCE):
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


PID = "SELECT pg_backend_pid()"


async def test_a_statement_that_its_time_limit_ended_leaves_no_doubt_and_a_good_connection(
    server: PostgresServer,
) -> None:
    """The server has cancelled it, so that nothing is left to find out or to mend."""
    url = await server.create_migrated()
    outside = await asyncpg.connect(url)
    async with open_database(url, Limits(seconds=0.3)) as database:
        before = await sql(database, PID)
        async with outside.transaction():
            await outside.execute("LOCK TABLE audit_event")
            for use in (COUNT.row, _count_exclusively):
                with pytest.raises(DatabaseDown, match=r"^QueryCanceledError 57014$") as raised:
                    await use(database)
                assert not raised.value.in_doubt
        assert await COUNT.row(database) == (0,)
        assert await sql(database, PID) == before
    await outside.close()


async def _count_exclusively(database: Database) -> None:
    async with database.exclusively(1) as transaction:
        await COUNT.row(transaction)


async def test_an_idle_transaction_is_ended_by_the_server(server: PostgresServer) -> None:
    """Its rows are free for others, and its next statement fails."""
    url = await server.create_migrated()
    outside = await asyncpg.connect(url)
    async with open_database(url, Limits(seconds=0.3)) as database:
        with pytest.raises(DatabaseDown):
            await _idle(database, outside)
        async with database.exclusively(1) as transaction:
            await sql(transaction, "LOCK TABLE audit_event")
    await outside.close()


async def _idle(database: Database, outside: Any) -> None:
    async with database.exclusively(1) as transaction:
        await sql(transaction, "LOCK TABLE audit_event")
        async with outside.transaction():
            # The server gives it the lock when it has ended the other transaction.
            await outside.execute("LOCK TABLE audit_event")
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


async def test_a_role_that_may_have_no_more_connections(server: PostgresServer) -> None:
    """53300: whoever needs a connection waits for one of ours; without any, there is nothing to wait for."""
    url = await server.create_migrated()
    admin = await asyncpg.connect(url)
    await admin.execute("CREATE ROLE limited LOGIN CONNECTION LIMIT 2")
    await admin.execute("GRANT SELECT ON audit_event TO limited")
    limited = url.replace("tendon@", "limited@")
    async with open_database(limited, Limits(connections=8)) as database, open_database(limited) as other:
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(COUNT.row(database))
        with pytest.raises(DatabaseDown, match=r"^TooManyConnectionsError 53300$"):
            await other.ping()
        await admin.execute("ALTER ROLE limited CONNECTION LIMIT 9")
        await until(lambda: _answers(other), "the next attempt")
    await admin.execute("DROP OWNED BY limited; DROP ROLE limited")
    await admin.close()


async def _answers(database: Database) -> bool:
    with suppress(DatabaseDown):
        await database.ping()
        return True
    return False


async def test_the_isolation_level_is_not_the_servers_default(server: PostgresServer) -> None:
    """With `serializable`, statements that touch the same rows would fail with 40001."""
    url = await _with_default(server, "default_transaction_isolation", "serializable")
    for seconds in (5, None):
        async with open_database(url, Limits(seconds=seconds)) as database:
            assert await sql(database, "SHOW transaction_isolation") == [("read committed",)]
            async with database.exclusively(1) as transaction:
                assert await sql(transaction, "SHOW transaction_isolation") == [("read committed",)]


async def test_the_server_notices_after_ten_seconds_that_a_client_has_vanished(server: PostgresServer) -> None:
    """Whether it was idle, or had yet to acknowledge an answer."""
    async with open_database(await server.create()) as database:
        for setting, value in (
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "2"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "10000"),
        ):
            assert await sql(database, f"SHOW {setting}") == [(value,)]


async def test_without_a_time_limit_there_is_none_of_the_servers_either(server: PostgresServer) -> None:
    """Migrations would fail on large tables."""
    url = await _with_default(server, "statement_timeout", "100ms")
    async with open_database(url, Limits(seconds=None)) as database:
        await sql(database, "SELECT pg_sleep(0.3)")


async def _with_default(server: PostgresServer, name: str, value: str) -> str:
    """The URL of a database that has this default."""
    url = await server.create()
    admin = await asyncpg.connect(url)
    await admin.execute(f'ALTER DATABASE "{url.rpartition("/")[2]}" SET {name} = {value!r}')
    await admin.close()
    return url


@pytest.mark.parametrize("patient", [True, False])
async def test_a_host_that_vanishes_costs_one_caller_and_not_one_for_each_connection(
    server: PostgresServer, patient: bool
) -> None:
    """Its other connections are not used again, though nothing has failed on them yet. Nor are they if a caller with a
    shorter time limit of its own was the first to notice."""
    name = (await server.create_migrated()).rpartition("/")[2]
    line = Proxy(server.port)
    await line.open()
    try:
        async with open_database(server.url(name, line.port), Limits(connections=8, seconds=1)) as database:
            await asyncio.gather(*(sql(database, "SELECT pg_sleep(0.2)") for _ in range(8)))
            line.vanish()
            if patient:
                with pytest.raises(DatabaseDown):
                    await COUNT.row(database)
            else:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await COUNT.row(database)
                # Longer than the server would take to end any statement.
                await asyncio.sleep(1.2)
            for _ in range(8):
                assert await COUNT.row(database) == (0,)
    finally:
        await line.close()
