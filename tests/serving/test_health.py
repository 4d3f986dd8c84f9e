"""`/livez` and `/readyz`, while the database, its migrations and the keys are in order, and while they are not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import asyncpg
import httpx
import pytest

from gateway.health import Health
from models.database import open_database
from models.vault import Vault, read_keys
from tests.databases import Database, PostgresDatabase
from tests.postgres import PostgresServer, programs
from tests.processes import tendon
from tests.serving.conftest import KEY, Serve
from tests.serving.serving import becomes, get, readiness
from tests.vault_keys import vault_key
from tests.waiting import PATIENCE, until

ANOTHER = vault_key("k1", "another")
NEWER = vault_key("k2")


async def test_a_ready_service(serve: Serve, client: httpx.AsyncClient) -> None:
    process = serve()
    await becomes(process.origin)
    for path, body in (("/livez", {"status": "ok"}), ("/readyz", {"status": "ready"})):
        found = await client.get(process.origin + path)
        assert (found.status_code, found.json()) == (200, body)
        assert (found.headers["content-type"], found.headers["cache-control"]) == ("application/json", "no-store")
        looked = await client.head(process.origin + path)
        assert (looked.status_code, looked.content) == (200, b"")
        assert looked.headers["content-length"] == found.headers["content-length"]
        wrong = await client.post(process.origin + path, json={})
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")
    assert len(process.logged("ready")) == 1
    # Probes are frequent, so they are logged for debugging only.
    lines = process.logged("request")
    assert len(lines) >= 6
    assert {(line["level"], line["path"]) for line in lines} == {("debug", "/livez"), ("debug", "/readyz")}


async def test_a_table_that_is_dropped_and_restored(serve: Serve, tmp_path: Path) -> None:
    process = serve()
    await becomes(process.origin)
    _run(tmp_path, "ALTER TABLE vault_key RENAME TO elsewhere")
    await becomes(process.origin, "database")
    response = await get(process.origin, "/readyz")
    assert response.headers["retry-after"] == "1"
    assert response.json() == {"status": "unready", "reasons": ["database"]}
    assert (await get(process.origin, "/livez")).status_code == 200
    _run(tmp_path, "ALTER TABLE elsewhere RENAME TO vault_key")
    await becomes(process.origin)
    assert (len(process.logged("unready")), len(process.logged("ready"))) == (1, 2)


def _run(folder: Path, statement: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(folder / "tendon.db", timeout=10)) as database:
        rows = database.execute(statement).fetchall()
        database.commit()
        return rows


async def test_a_service_is_ready_after_the_migration(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/tendon.db"
    health = Health(Vault(read_keys(KEY)))
    async with open_database(url) as database, health.watching(database):
        assert await health.reasons() == ("migrations",)
        migrated = tendon("migrate", cwd=tmp_path, settings={"TENDON_DATABASE_URL": url})
        assert migrated.returncode == 0, migrated.stderr

        async def ready() -> bool:
            return await health.reasons() == ()

        await until(ready, "ready")


@pytest.fixture
def server() -> Generator[PostgresServer]:
    """One that a test may stop."""
    server = PostgresServer(programs())
    yield server
    server.remove()


async def test_a_database_server_that_starts_late_and_stops(
    serve: Serve, server: PostgresServer, tmp_path: Path
) -> None:
    database = PostgresDatabase(await server.create())
    server.stop()
    process = serve(2, database=database)
    assert process.logged("database.away")
    await becomes(process.origin, "database")
    assert (await get(process.origin, "/livez")).status_code == 200
    server.start()
    await becomes(process.origin, "migrations")
    migrated = tendon("migrate", cwd=tmp_path, settings={"TENDON_DATABASE_URL": database.url})
    assert migrated.returncode == 0, migrated.stderr
    await becomes(process.origin)
    server.stop("immediate")
    await becomes(process.origin, "database")
    server.start()
    await becomes(process.origin)
    assert process.stop() == 0


async def test_a_database_that_hangs(serve: Serve, postgres: PostgresServer) -> None:
    """It accepts the query and never answers. Probes share one query and its time-out."""
    database = PostgresDatabase(await postgres.create_migrated())
    process = serve(database=database)
    await becomes(process.origin)
    session = await asyncpg.connect(database.url)
    async with session.transaction():
        await session.execute("LOCK TABLE vault_key IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(1.1)
        probes = [asyncio.create_task(readiness(process.origin)) for _ in range(20)]
        answered = asyncio.gather(*probes)
        waiting: list[int] = []
        while not answered.done():
            assert (await get(process.origin, "/livez")).status_code == 200
            waiting.append(await _waiting(database))
        assert max(waiting) == 1
        async with asyncio.timeout(PATIENCE):
            assert await answered == [(503, ["database"])] * 20
    await session.close()
    await becomes(process.origin)
    assert len(process.logged("unready")) == 1


async def _waiting(database: Database) -> int:
    """How many queries wait for a lock."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return await database.value(asked)
