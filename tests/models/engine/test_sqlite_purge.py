"""What is left in an SQLite file of rows that were deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import pytest

from models.database import Database, Limits, open_database
from models.statement import Statement
from tests.databases import create_migrated_file

MARK = "canary-of-someone"
ADD = Statement("INSERT INTO audit_subject (pseudonym, user_id) VALUES (:name, :user) RETURNING pseudonym")
DELETE = Statement("DELETE FROM audit_subject WHERE user_id = :user RETURNING pseudonym")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return create_migrated_file(tmp_path / "tendon.db")


@pytest.fixture
async def database(path: Path) -> AsyncGenerator[Database]:
    async with open_database(f"sqlite://{path}") as database:
        yield database


def found(path: Path) -> set[str]:
    """The files with the mark."""
    return {file.name for file in path.parent.iterdir() if MARK.encode() in file.read_bytes()}


def leave_behind(path: Path) -> None:
    """What a build of SQLite leaves that doesn't overwrite."""
    with closing(sqlite3.connect(path, isolation_level=None)) as session:
        session.execute("PRAGMA secure_delete=OFF")
        session.execute("INSERT INTO audit_subject (pseudonym, user_id) VALUES ('p', ?)", (MARK,))
        session.execute("DELETE FROM audit_subject")
        session.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def test_what_is_deleted_is_overwritten_and_the_log_is_emptied(database: Database, path: Path) -> None:
    await ADD.rows(database, name="p", user=MARK)
    await database.purge()
    assert found(path) == {"tendon.db"}
    await DELETE.rows(database, user=MARK)
    assert found(path) == {"tendon.db"}
    assert await database.purge()
    assert found(path) == set()
    assert path.with_name("tendon.db-wal").stat().st_size == 0


async def test_a_rebuilt_file_has_nothing_else(database: Database, path: Path) -> None:
    leave_behind(path)
    assert await database.purge()
    assert found(path) == {"tendon.db"}
    assert await database.purge(rebuild=True)
    assert found(path) == set()


async def test_it_does_not_wait_for_long_for_a_reader(path: Path) -> None:
    async with open_database(f"sqlite://{path}", Limits(seconds=0.1)) as database:
        with closing(sqlite3.connect(path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM audit_subject").fetchone()
            await ADD.rows(database, name="p", user=MARK)
            assert await database.purge(rebuild=True) is False
        assert await database.purge() is True
