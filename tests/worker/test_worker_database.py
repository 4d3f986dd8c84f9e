"""A worker whose database is away, refuses it, or is behind a pooler."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path

import asyncpg
import pytest

from tests.databases import PostgresDatabase
from tests.pgbouncer import PgBouncer, program
from tests.postgres import PostgresServer, programs
from tests.worker.conftest import StartWorker, Work
from tests.worker.program import TABLE


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    """One that tests stop and start."""
    started = PostgresServer(programs())
    yield started
    started.remove()


@pytest.fixture
async def work(server: PostgresServer, tmp_path: Path) -> Work:
    database = PostgresDatabase(await server.create_migrated())
    await database.fetch(TABLE)
    return Work(database, tmp_path / "journal")


async def test_a_worker_continues_when_the_database_is_back(
    work: Work, server: PostgresServer, start_worker: StartWorker
) -> None:
    worker = start_worker(work.database.url)
    await work.add("before")
    await work.is_done()
    await asyncio.to_thread(server.stop, "immediate")
    await worker.logs("work.database.away")
    await asyncio.to_thread(server.start)
    await worker.logs("work.database.back")
    await work.add("after")
    await work.is_done()
    assert worker.stop() == 0
    assert "fault" not in worker.said


async def test_a_worker_starts_while_the_database_is_away(
    work: Work, server: PostgresServer, start_worker: StartWorker
) -> None:
    await work.add("w")
    await asyncio.to_thread(server.stop)
    worker = start_worker(work.database.url)
    await worker.logs("work.database.away")
    await asyncio.to_thread(server.start)
    await work.is_done()
    assert "work.engine" not in worker.said


async def test_a_worker_says_why_it_waits_for_the_database(server: PostgresServer, start_worker: StartWorker) -> None:
    worker = start_worker(f"postgres://tendon@127.0.0.1:{server.port}/unknown")
    await worker.logs("3D000")
    assert worker.stop() == 0
    assert "work.engine" not in worker.said


async def test_a_worker_that_waits_for_the_database_can_be_stopped(
    work: Work, server: PostgresServer, start_worker: StartWorker
) -> None:
    worker = start_worker(work.database.url)
    await worker.logs("work.ready")
    await asyncio.to_thread(server.stop, "immediate")
    try:
        await worker.logs("work.database.away")
        early = start_worker(work.database.url)
        await early.logs("work.database.away")
        assert early.stop() == 0
        assert worker.stop() == 0
    finally:
        await asyncio.to_thread(server.start)


async def test_a_worker_needs_a_schema_of_its_own(
    work: Work, server: PostgresServer, start_worker: StartWorker
) -> None:
    owner = await asyncpg.connect(work.database.url)
    await owner.execute("CREATE ROLE limited LOGIN")
    await owner.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO limited")
    url = work.database.url.replace("tendon@", "limited@")
    refused = start_worker(url)
    assert await asyncio.to_thread(refused.process.wait, 60) != 0
    assert "the role may not create or use the schema tendon_worker" in refused.said
    await owner.execute("CREATE SCHEMA tendon_worker AUTHORIZATION limited")
    await owner.close()
    await work.add("w")
    start_worker(url)
    await work.is_done()


async def test_a_worker_works_behind_a_pooler_in_session_mode(
    work: Work, server: PostgresServer, start_worker: StartWorker
) -> None:
    pooler = PgBouncer(program(), server.port)
    try:
        await pooler.ready()
        await work.add("w")
        worker = start_worker(pooler.url(work.database.url.rpartition("/")[2]))
        await work.is_done()
        assert worker.stop() == 0
    finally:
        pooler.remove()
