"""URLs with several hosts: Tendon connects to the primary among them, and hosts that are gone cost little time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from models.database import Database, DatabaseDown, Limits, open_database
from tests.models.engine.promises import note, sql
from tests.postgres import PostgresServer, programs
from tests.processes import free_port
from tests.proxy import Proxy
from tests.waiting import until

LIMITS = Limits(connections=3, seconds=5)


@pytest.fixture
async def name(primary: PostgresServer, standby: PostgresServer) -> str:
    """A migrated database that both have."""
    name = (await primary.create_migrated()).rpartition("/")[2]
    await until(lambda: _is_there(standby, name), "the standby to have the database")
    return name


async def _is_there(standby: PostgresServer, name: str) -> bool:
    session = await asyncpg.connect(standby.url("postgres"))
    try:
        return await session.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name) == 1
    finally:
        await session.close()


@pytest.fixture
async def silent(primary: PostgresServer) -> AsyncGenerator[Proxy]:
    """A host that accepts connections and never answers."""
    line = Proxy(primary.port)
    await line.open()
    line.stall()
    yield line
    await line.close()


def url(name: str, *ports: int, options: str = "") -> str:
    return f"postgres://tendon@{','.join(f'127.0.0.1:{port}' for port in ports)}/{name}{options}"


async def port_of(database: Database) -> int:
    return (await sql(database, "SELECT inet_server_port()"))[0][0]


async def test_the_host_that_accepts_writes(primary: PostgresServer, standby: PostgresServer, name: str) -> None:
    for ports in ((standby.port, primary.port), (primary.port, standby.port)):
        async with open_database(url(name, *ports), LIMITS) as database:
            assert await port_of(database) == primary.port
            await note(database)


async def test_hosts_that_refuse_or_are_silent_are_passed_over(
    primary: PostgresServer, standby: PostgresServer, name: str, silent: Proxy
) -> None:
    ports = (silent.port, free_port(), standby.port, primary.port)
    async with open_database(url(name, *ports), LIMITS) as database:
        assert await port_of(database) == primary.port
        silent.flow()
        # The attempt at the silent host left nothing behind.
        found = await sql(database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        assert found[0][0] == 1


async def test_the_host_that_was_found_last_is_tried_first(
    primary: PostgresServer, standby: PostgresServer, name: str
) -> None:
    line = Proxy(standby.port)
    await line.open()
    async with open_database(url(name, line.port, primary.port), LIMITS) as database:
        for number in range(3):
            async with database.exclusively(1):
                # Another connection has to be opened, if the pool has no second one yet.
                assert await port_of(database) == primary.port
            assert line.accepted <= 1, number
    await line.close()


@pytest.mark.parametrize("wanted", ["read-write", "primary"])
async def test_a_single_host_may_have_to_be_the_primary(standby: PostgresServer, name: str, wanted: str) -> None:
    async with open_database(url(name, standby.port, options=f"?target_session_attrs={wanted}"), LIMITS) as database:
        with pytest.raises(DatabaseDown, match="TargetServerAttributeNotMatched") as raised:
            await database.ping()
        assert not raised.value.in_doubt


async def test_any_host(standby: PostgresServer, primary: PostgresServer, name: str) -> None:
    ports = (standby.port, primary.port)
    async with open_database(url(name, *ports, options="?target_session_attrs=any"), LIMITS) as database:
        assert await port_of(database) == standby.port


async def test_the_failure_that_says_most(primary: PostgresServer, standby: PostgresServer, name: str) -> None:
    away = free_port()
    for ports, database_name, reason in (
        ((away, standby.port), name, "TargetServerAttributeNotMatched"),
        ((away, standby.port, primary.port), "missing", "InvalidCatalogNameError 3D000"),
        ((away, free_port()), name, "ConnectionRefusedError"),
    ):
        async with open_database(url(database_name, *ports), LIMITS) as database:
            with pytest.raises(DatabaseDown, match=f"^{reason}$"):
                await database.ping()


async def test_all_hosts_together_have_the_time_limit(silent: Proxy, name: str) -> None:
    limits = Limits(connections=1, seconds=0.5)
    async with open_database(url(name, silent.port, silent.port, silent.port), limits) as database:
        with pytest.raises(DatabaseDown, match=r"^TimeoutError$"):
            await database.ping()


async def test_a_standby_that_is_promoted_is_found(primary: PostgresServer) -> None:
    standby = PostgresServer(programs(), primary=primary)
    try:
        name = (await primary.create_migrated()).rpartition("/")[2]
        async with open_database(url(name, primary.port, standby.port), LIMITS) as database:
            await note(database)
            await until(lambda: _is_there(standby, name), "the standby to have the database")
            primary.stop("immediate")
            try:
                await asyncio.to_thread(standby.promote)
                await until(lambda: _writes(database), "the new primary to be found")
                assert await port_of(database) == standby.port
            finally:
                primary.start()
    finally:
        standby.remove()


async def _writes(database: Database) -> bool:
    try:
        await note(database)
    except DatabaseDown:
        return False
    return True
