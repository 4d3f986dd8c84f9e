"""Behind PgBouncer: session mode, in which everything holds, a switchover, and transaction mode, which is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from gateway.database_check import check_database, database_errors
from gateway.settings import SettingsError
from models.database import Database, DatabaseDown, Limits, open_database
from models.migrating import migrate
from tests.models.engine.promises import COUNT, note, sql
from tests.pgbouncer import PgBouncer, program
from tests.postgres import PostgresServer, programs
from tests.processes import free_port
from tests.waiting import until

LIMITS = Limits(connections=4)


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    server = PostgresServer(programs())
    yield server
    server.remove()


@asynccontextmanager
async def pooler(server: PostgresServer, mode: str, **settings: str) -> AsyncGenerator[PgBouncer]:
    bouncer = PgBouncer(program(), server.port, mode=mode, **settings)
    try:
        await bouncer.ready()
        yield bouncer
    finally:
        bouncer.remove()


async def a_database(server: PostgresServer) -> str:
    return (await server.create_migrated()).rpartition("/")[2]


async def test_the_settings_of_a_session_hold_in_session_mode(server: PostgresServer) -> None:
    name = await a_database(server)
    async with (
        pooler(server, "session") as bouncer,
        open_database(bouncer.url(name), Limits(connections=4, seconds=1.5)) as database,
    ):
        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(note(database))
        for setting, value in (
            ("statement_timeout", "1500ms"),
            ("idle_in_transaction_session_timeout", "1500ms"),
            ("default_transaction_isolation", "read committed"),
        ):
            assert await sql(database, f"SHOW {setting}") == [(value,)]
        with pytest.raises(DatabaseDown, match="57014"):
            await sql(database, "SELECT pg_sleep(9)")
        assert await COUNT.row(database) == (50,)


async def test_a_pooler_that_accepts_no_more_connections(server: PostgresServer) -> None:
    """Whoever needs a connection waits for one of ours."""
    name = await a_database(server)
    async with (
        pooler(server, "session", max_client_conn="2") as bouncer,
        open_database(bouncer.url(name), Limits(connections=8)) as database,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(100):
            group.create_task(note(database))


async def test_a_statement_that_is_given_up_keeps_its_session_behind_a_pooler(server: PostgresServer) -> None:
    """PgBouncer would end a connection that is closed, and open another session for the next one, while the server is
    still working for the first."""
    name = await a_database(server)
    async with (
        pooler(server, "session") as bouncer,
        open_database(bouncer.url(name), Limits(connections=1)) as database,
    ):
        before = await sql(database, "SELECT pg_backend_pid()")
        given_up = asyncio.create_task(sql(database, "SELECT pg_sleep(1.8)"))
        await until(lambda: _sleeps(server), "the statement")
        given_up.cancel()
        # Longer than until it is asked whether the session exists.
        assert await sql(database, "SELECT pg_backend_pid()") == before


async def _sleeps(server: PostgresServer) -> bool:
    session = await asyncpg.connect(server.url("postgres"))
    try:
        return await session.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1
    finally:
        session.terminate()


REFUSAL = (
    "TENDON_DATABASE_URL: the database can't be used (SharedSessions: a pooler gives each transaction another session,"
    " so prepared statements and time-outs don't hold): use the pooler in session mode (PgBouncer:"
    " `pool_mode = session`), or connect to the server itself"
)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_other_modes_are_refused(server: PostgresServer, mode: str) -> None:
    name = await a_database(server)
    async with pooler(server, mode) as bouncer:
        with pytest.raises(SettingsError) as raised:
            await check_database(bouncer.url(name), LIMITS)
        assert str(raised.value) == REFUSAL
        with pytest.raises(SettingsError) as raised, database_errors(bouncer.url(name)):
            await migrate(bouncer.url(name))
        assert str(raised.value) == REFUSAL


async def test_transaction_mode_is_recognized_while_others_use_the_pooler(server: PostgresServer) -> None:
    name = await a_database(server)
    async with pooler(server, "transaction") as bouncer:
        busy = [asyncio.create_task(_keep_busy(bouncer.url(name))) for _ in range(3)]
        try:
            for _ in range(10):
                async with open_database(bouncer.url(name), LIMITS) as database:
                    with pytest.raises(DatabaseDown, match=r"^SharedSessions: ") as raised:
                        await note(database)
                    assert not raised.value.in_doubt
        finally:
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)
        assert await _count(server, name) == 0


async def test_a_pooler_that_is_changed_to_transaction_mode(server: PostgresServer) -> None:
    """The error that this causes at some time is the last one: then no connection is used any more."""
    name = await a_database(server)
    async with (
        pooler(server, "session") as bouncer,
        open_database(bouncer.url(name), Limits(connections=1)) as database,
    ):
        await note(database)
        bouncer.lead_to(server.port, pool_mode="transaction")
        await bouncer.command("RELOAD")
        # From now on, its session is given to others between statements.
        await note(database)
        others = [await asyncpg.connect(bouncer.url(name)) for _ in range(2)]
        for other in others:
            await other.execute("BEGIN")
        with pytest.raises(DatabaseDown, match=r"^InvalidSQLStatementNameError 26000$"):
            await note(database)
        for _ in range(2):
            with pytest.raises(DatabaseDown, match=r"^SharedSessions: "):
                await note(database)
        for other in others:
            other.terminate()


async def test_a_pooler_that_was_away_when_the_process_started(server: PostgresServer) -> None:
    """Its mode is checked as soon as it answers, even if many callers come at the same time."""
    name = await a_database(server)
    port = free_port()
    async with open_database(PgBouncer.url_at(port, name), Limits(connections=8)) as database:
        with pytest.raises(DatabaseDown, match="ConnectionRefusedError"):
            await note(database)
        async with pooler(server, "transaction", listen_port=str(port)):
            for _ in range(2):
                ended = await asyncio.gather(*(note(database) for _ in range(20)), return_exceptions=True)
                assert all(str(one).startswith("SharedSessions: ") for one in ended)
    assert await _count(server, name) == 0


@pytest.mark.parametrize("size", ["1", "2"])
async def test_a_pooler_without_a_session_for_the_check(server: PostgresServer, size: str) -> None:
    """The check needs a second session for a moment. Without one, there is no more to be known."""
    name = await a_database(server)
    async with (
        pooler(server, "session", default_pool_size=size) as bouncer,
        open_database(bouncer.url(name), Limits(connections=1, seconds=1)) as database,
    ):
        for _ in range(3):
            await note(database)


async def _keep_busy(url: str) -> None:
    session = await asyncpg.connect(url)
    try:
        while True:
            await session.execute("SELECT 1")
    finally:
        session.terminate()


async def test_a_server_has_sessions_of_ones_own(server: PostgresServer) -> None:
    async with open_database(await server.create(), Limits(connections=1)) as database:
        await database.ping()
        # No more than the pool is left open.
        found = await sql(database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        assert found[0][0] == 1


async def test_a_standby_behind_a_pooler_that_is_promoted(server: PostgresServer) -> None:
    """The pooler goes on telling new connections what the server said when it was a standby."""
    name = await a_database(server)
    standby = PostgresServer(programs(), primary=server)
    try:
        async with (
            pooler(standby, "session") as bouncer,
            open_database(f"{bouncer.url(name)}&target_session_attrs=read-write", LIMITS) as database,
        ):
            with pytest.raises(DatabaseDown, match="TargetServerAttributeNotMatched"):
                await note(database)
            await asyncio.to_thread(standby.promote)
            await note(database)
    finally:
        standby.remove()


async def test_a_switchover(server: PostgresServer) -> None:
    """The standby is promoted while the pooler holds its clients: KILL, promote, RELOAD, RESUME."""
    name = await a_database(server)
    standby = PostgresServer(programs(), primary=server)
    try:
        async with (
            pooler(server, "session") as bouncer,
            open_database(bouncer.url(name), LIMITS) as database,
        ):
            stop = asyncio.Event()
            writers = [asyncio.create_task(_write_until(stop, database)) for _ in range(4)]
            await _grows(server, name, 20)
            await bouncer.command(f'KILL "{name}"')
            server.stop()
            await asyncio.to_thread(standby.promote)
            bouncer.lead_to(standby.port)
            await bouncer.command("RELOAD")
            await bouncer.command(f'RESUME "{name}"')
            before = await _count(standby, name)
            await _grows(standby, name, before)
            stop.set()
            written = sum(await asyncio.gather(*writers))
            assert await _count(standby, name) >= written > before
    finally:
        server.start()
        standby.remove()


async def _write_until(stop: asyncio.Event, database: Database) -> int:
    written = 0
    while not stop.is_set():
        try:
            await note(database)
            written += 1
        except DatabaseDown:
            await asyncio.sleep(0.01)
    return written


async def _count(server: PostgresServer, name: str) -> int:
    session = await asyncpg.connect(server.url(name))
    try:
        return await session.fetchval("SELECT count(*) FROM audit_event")
    finally:
        session.terminate()


async def _grows(server: PostgresServer, name: str, before: int) -> None:
    async with asyncio.timeout(60):
        while await _count(server, name) <= before:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.02)
