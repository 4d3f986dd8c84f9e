"""Writers of one process on one SQLite file: those that wait at the same time share a COMMIT."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from models.database import Database, DatabaseDown, Limits, open_database
from models.statement import Statement
from tests.databases import create_migrated_file
from tests.models.engine.promises import COUNT, PATIENCE, note, sql

LIMIT_SIZE = Statement("PRAGMA max_page_count = 100")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return create_migrated_file(tmp_path / "tendon.db")


@pytest.fixture
async def database(path: Path) -> AsyncGenerator[Database]:
    async with open_database(f"sqlite://{path}") as database:
        yield database


def names(path: Path) -> list[str]:
    """Of what was written, in its order."""
    with closing(sqlite3.connect(path, isolation_level=None)) as outside:
        return [name for (name,) in outside.execute("SELECT request_id FROM audit_event ORDER BY id")]


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Another process has the write lock meanwhile."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)) as outside:
        outside.execute("BEGIN IMMEDIATE")
        yield
        outside.execute("ROLLBACK")


def commits(path: Path) -> int:
    """In the write-ahead log: https://www.sqlite.org/fileformat2.html#walformat."""
    log = path.with_name(f"{path.name}-wal").read_bytes()
    frame = 24 + int.from_bytes(log[8:12])
    heads = [log[start : start + 24] for start in range(32, len(log), frame)]
    return sum(1 for head in heads if head[8:16] == log[16:24] and any(head[4:8]))


async def test_writes_that_wait_together_share_a_commit(path: Path, database: Database) -> None:
    await note(database, "first")
    before = commits(path)
    with locked(path):
        tasks = [asyncio.create_task(note(database, f"{number:02}")) for number in range(40)]
        # One of them waits for the lock by then, and the others for it.
        await asyncio.sleep(0.1)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*tasks)
    assert names(path) == ["first", *(f"{number:02}" for number in range(40))]
    assert commits(path) - before <= 3


async def test_a_task_that_is_cancelled_before_its_turn_writes_nothing(path: Path, database: Database) -> None:
    with locked(path):
        begun = asyncio.create_task(note(database, "begun"))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(note(database, "waiting"))
        staying = asyncio.create_task(note(database, "staying"))
        await asyncio.sleep(0.1)
        begun.cancel()
        waiting.cancel()
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await staying
    # The thread was at it already, and finishes it.
    assert names(path) == ["begun", "staying"]


async def test_waiting_for_a_lock_is_bounded_for_all_in_the_queue(path: Path) -> None:
    async with open_database(f"sqlite://{path}", Limits(seconds=0.2)) as database:
        with locked(path):
            async with asyncio.timeout(PATIENCE):
                results = await asyncio.gather(
                    *(note(database, f"{number}") for number in range(200)), return_exceptions=True
                )
            assert {(type(one), str(one), getattr(one, "in_doubt", None)) for one in results} == {
                (DatabaseDown, "SQLITE_BUSY", False)
            }
            # Readers don't wait for writers.
            assert await COUNT.row(database) == (0,)
        await note(database, "afterwards")
    assert names(path) == ["afterwards"]


async def test_one_of_a_batch_does_not_fit(path: Path, database: Database) -> None:
    """The others are written all the same."""
    await LIMIT_SIZE.rows(database)
    with locked(path):
        small = [asyncio.create_task(note(database, f"{number}")) for number in range(3)]
        large = asyncio.create_task(note(database, "large", "x" * 1_000_000))
        rest = [asyncio.create_task(note(database, f"{number}")) for number in range(3, 6)]
        await asyncio.sleep(0.1)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*small, *rest)
        with pytest.raises(DatabaseDown, match="SQLITE_FULL") as raised:
            await large
    assert not raised.value.in_doubt
    assert sorted(names(path)) == [f"{number}" for number in range(6)]


async def test_closing_waits_for_the_whole_queue(path: Path) -> None:
    async with open_database(f"sqlite://{path}") as database:
        tasks = [asyncio.create_task(note(database, f"{number:03}")) for number in range(150)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert len(names(path)) == 150


async def test_an_exclusive_transaction_takes_the_write_lock_before_it_reads(path: Path, database: Database) -> None:
    """SQLite refuses to turn a reader into a writer when another has written in between."""
    async with database.exclusively(1) as transaction:
        assert await COUNT.row(transaction) == (0,)
        with (
            closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as outside,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            outside.execute("CREATE TABLE written_in_between (x)")
        await note(transaction, "then write")
    assert names(path) == ["then write"]


async def test_settings_of_the_connections(database: Database) -> None:
    for pragma, value in {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000, "synchronous": 2}.items():
        assert await sql(database, f"PRAGMA {pragma}") == [(value,)]


FULL_DISK = """
import asyncio, resource, sys
from models.database import DatabaseDown, open_database
from models.statement import Statement

NOTE = Statement('''INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    VALUES (now(), 'test', 'oura', '[]', :text, 'x') RETURNING id''')

async def note_exclusively(database):
    async with database.exclusively(1) as transaction:
        await NOTE.rows(transaction, text="x" * 200_000)

async def main(url):
    async with open_database(url) as database:
        await NOTE.rows(database, text="ok")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        for attempts in (
            [NOTE.rows(database, text="x" * 70_000) for _ in range(20)],
            [note_exclusively(database)],
        ):
            resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
            results = await asyncio.gather(*attempts, return_exceptions=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            print(sorted({f"{type(one).__name__} {one} {one.in_doubt}" for one in results}))
            print(*await Statement("SELECT count(*) FROM audit_event").row(database))
            async with asyncio.timeout(5):
                await NOTE.rows(database, text="ok")
        print(*await Statement("SELECT count(*) FROM audit_event").row(database))

asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_at_the_commit(path: Path) -> None:
    """Fails for all that share the COMMIT, nothing of theirs is written, and it works again when there is space."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, f"sqlite://{path}"], capture_output=True, text=True, timeout=60, check=False
    )
    failed = "['DatabaseDown SQLITE_IOERR_WRITE True']"
    assert done.stdout.splitlines() == [failed, "1", failed, "2", "3"], done.stderr
