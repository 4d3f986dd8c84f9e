"""Writers of one process on one SQLite file: those who wait share a COMMIT, and hear of it alike."""

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
from models.migrating import migrate
from models.statement import Statement

PATIENCE = 20
NOTE = Statement(
    """
    INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    VALUES (now(), 'test', 'oura', '[]', :text, :name) RETURNING id"""
)
ROOM = Statement("PRAGMA max_page_count = 100")


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    await migrate(f"sqlite://{tmp_path}/tendon.db")
    return tmp_path / "tendon.db"


@pytest.fixture
async def database(path: Path) -> AsyncGenerator[Database]:
    async with open_database(f"sqlite://{path}") as database:
        yield database


async def note(database: Database, name: str, text: str = "ok") -> None:
    await NOTE.rows(database, name=name, text=text)


def names(path: Path) -> list[str]:
    """Of what was written, in its order."""
    with closing(sqlite3.connect(path, isolation_level=None)) as outside:
        return [name for (name,) in outside.execute("SELECT request_id FROM audit_event ORDER BY id")]


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Another process writes meanwhile."""
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


async def test_those_who_wait_share_a_commit(path: Path, database: Database) -> None:
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


async def test_who_leaves_before_their_turn_has_written_nothing(path: Path, database: Database) -> None:
    with locked(path):
        begun = asyncio.create_task(note(database, "begun"))
        await asyncio.sleep(0.1)
        waiting, staying = (
            asyncio.create_task(note(database, "waiting")),
            asyncio.create_task(note(database, "staying")),
        )
        await asyncio.sleep(0.1)
        begun.cancel()
        waiting.cancel()
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await staying
    # What had begun goes on to its end.
    assert names(path) == ["begun", "staying"]


async def test_a_lock_that_is_not_to_be_had(path: Path) -> None:
    async with open_database(f"sqlite://{path}", Limits(seconds=0.2)) as database:
        with locked(path):
            async with asyncio.timeout(PATIENCE):
                answers = await asyncio.gather(
                    *(note(database, f"{number}") for number in range(200)), return_exceptions=True
                )
            assert {(type(one), str(one), getattr(one, "in_doubt", None)) for one in answers} == {
                (DatabaseDown, "SQLITE_BUSY", False)
            }
            # Who only reads is not concerned.
            assert await Statement("SELECT count(*) FROM audit_event").row(database) == (0,)
        await note(database, "afterwards")
    assert names(path) == ["afterwards"]


async def test_no_room_for_one_of_them(path: Path, database: Database) -> None:
    """The others are written all the same."""
    await ROOM.rows(database)
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


async def test_the_end_comes_after_what_waits(path: Path) -> None:
    async with open_database(f"sqlite://{path}") as database:
        tasks = [asyncio.create_task(note(database, f"{number:03}")) for number in range(150)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert len(names(path)) == 150


FULL_DISK = """
import asyncio, resource, sys
from models.database import DatabaseDown, open_database
from models.statement import Statement

NOTE = Statement('''INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    VALUES (now(), 'test', 'oura', '[]', :text, 'x') RETURNING id''')

async def main(url):
    async with open_database(url) as database:
        await NOTE.rows(database, text="ok")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
        notes = [NOTE.rows(database, text="x" * 70_000) for _ in range(20)]
        answers = await asyncio.gather(*notes, return_exceptions=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        print(sorted({f"{type(one).__name__} {one} {one.in_doubt}" for one in answers}))
        print(*await Statement("SELECT count(*) FROM audit_event").row(database))
        async with asyncio.timeout(5):
            await NOTE.rows(database, text="ok")
        print(*await Statement("SELECT count(*) FROM audit_event").row(database))

asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_at_the_commit(path: Path) -> None:
    """All who shared it hear so, nothing of theirs is written, and it works again when there is room."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, f"sqlite://{path}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == ["['DatabaseDown SQLITE_IOERR_WRITE True']", "1", "2"], done.stderr
