"""The partitions of docs/scaling.md: made while Tendon is running, and dropped while their last states are used."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Generator
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.conftest import Person, begin
from tests.databases import PostgresDatabase
from tests.interfaces import Interface, Rest
from tests.postgres import PostgresServer, programs
from tests.processes import Process
from tests.sandbox_control import Sandbox
from tests.waiting import until

PAGE = Path("docs/scaling.md").read_text(encoding="utf-8")
PREPARE, CONVERT, NEXT_DAYS, DROP = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    """Roles belong to a whole server."""
    server = PostgresServer(programs())
    yield server
    server.remove()


async def psql(url: str, *statements: str) -> None:
    """As an operator would, in one session."""
    done = await asyncio.to_thread(
        subprocess.run,
        [programs() / "psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", url],
        input="\n".join(statements),
        # A day of 23 or 25 hours in the administrator's time zone must not matter.
        env=os.environ | {"PGTZ": await _zone_with_a_change_of_clocks(url)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def _zone_with_a_change_of_clocks(url: str) -> str:
    """A zone whose clocks change within the days for which partitions are made."""
    session = await asyncpg.connect(url)
    try:
        # Noon of the fourth day: standard time before it, an hour later after it.
        day = await session.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date + 4")
    finally:
        await session.close()
    return f"STD0DST,{day:%-j},365"


class Service:
    """A gateway on a database whose tables are partitioned while it runs. The requests of before are past."""

    def __init__(self, url: str, folder: Path, settings: dict[str, str]) -> None:
        self.database = PostgresDatabase(url)
        self._folder, self._settings = folder, settings | {"TENDON_DATABASE_URL": url}

    async def start(self, client: httpx.AsyncClient) -> Interface:
        self.process = await asyncio.to_thread(Process, "serve", folder=self._folder, settings=self._settings)
        return Rest(client, self.process.origin)


@pytest.fixture
async def service(server: PostgresServer, tmp_path: Path, settings: dict[str, str]) -> Service:
    url = await server.create_migrated()
    for role in ("tendon_app", "tendon_export", "tendon_retention"):
        await psql(url, f"CREATE ROLE {role}")
    return Service(url, tmp_path, settings)


async def test_tables_are_partitioned_by_day(
    service: Service, client: httpx.AsyncClient, sandbox: Sandbox, someone: Person
) -> None:
    api, database = await service.start(client), service.database
    callback = await begin(api, sandbox, someone)
    connection = (await api.complete(someone.token, **callback)).connection
    await psql(database.url, PREPARE, CONVERT, NEXT_DAYS, NEXT_DAYS)
    bounds = await database.fetch(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class"
        " WHERE relispartition AND relkind = 'r' AND relname ~ '_[0-9]+$'"
    )
    assert len(bounds) == 2 * 7
    assert all(bound.count(" 00:00:00") == 2 for (bound,) in bounds), bounds
    # It is moved to a table of which the service has not heard before.
    await database.fetch("UPDATE authorization_request SET expires_at = '2020-01-01'")
    service.process.kill()
    api = await service.start(client)
    await begin(api, sandbox, someone)

    async def moved() -> bool:
        return await database.value("SELECT count(*) FROM ended_request_first") == 1

    await until(moved, "the clearing")
    assert (await api.complete(someone.token, **callback)).connection == connection
    assert (await api.complete(someone.token, **callback | {"code": "another"})).code == "INVALID_STATE"
    # A second flow of the user, whose audit rows go to a partition, too.
    assert (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection == connection
    assert await database.value("SELECT count(*) FROM audit_event_first WHERE outcome = 'ok'") >= 5

    day = await database.value(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ended_request'::regclass"
        " AND inhrelid::regclass::text ~ '[0-9]$' ORDER BY 1 OFFSET 1 LIMIT 1"
    )
    await database.fetch(
        f"UPDATE ended_request SET ended_at = to_date('{day.rpartition('_')[2]}', 'YYYYMMDD') + interval '12 hours'"
    )
    assert await database.value(f"SELECT count(*) FROM {day}") == 1
    await _drop_beside_a_dump(api, database, day, someone, callback, connection)
    assert (await api.complete(someone.token, **callback)).code == "INVALID_STATE"
    assert (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection == connection
    assert service.process.stop() == 0
    assert not {line["event"] for line in service.process.logged()} & {"fault", "database.down", "purge.failed"}


async def _drop_beside_a_dump(
    api: Interface,
    database: PostgresDatabase,
    day: str,
    someone: Person,
    callback: dict[str, str],
    connection: object,
) -> None:
    dump = await asyncpg.connect(database.url)
    async with dump.transaction(isolation="repeatable_read"):
        await dump.fetch("SELECT * FROM ended_request")
        dropping = asyncio.create_task(psql(database.url, DROP.replace("ended_request_20261201", day)))

        async def waits() -> bool:
            blocked = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
            return await database.value(blocked) == 1

        await until(waits, "the DETACH to wait for the dump")
        # Nobody else waits. The partition is not a part of the table any more.
        for _ in range(5):
            answer = await api.complete(someone.token, **callback)
            assert answer.code == "INVALID_STATE" or answer.connection == connection
        assert not dropping.done()
    await dropping
    await dump.close()
