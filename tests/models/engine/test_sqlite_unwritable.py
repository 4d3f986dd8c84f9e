"""SQLite files that cannot be written: detected without writing, and written again as soon as possible."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from operator import methodcaller
from pathlib import Path

import pytest

from models.database import Database, DatabaseDown, Session, open_database
from models.statement import Statement
from tests.databases import create_migrated_file
from tests.suspended import run_and_cancel


async def test_a_file_that_was_read_only_when_it_was_opened(nobodys_folder: Path) -> None:
    """The connection stays read-only, so it is closed. The second call at the latest succeeds."""
    file = create_migrated_file(nobodys_folder / "tendon.db")
    file.chmod(0o400)
    async with open_database(f"sqlite://{file}") as database:
        for write in (methodcaller("check_writable"), _write, _write_exclusively):
            with pytest.raises(DatabaseDown, match="SQLITE_READONLY"):
                await write(database)
        assert await COUNT.row(database) == (0,)
        _make_writable(nobodys_folder)
        with suppress(DatabaseDown):
            await _write(database)
        await _write(database)
        await _write_exclusively(database)
        await database.check_writable()
        assert await COUNT.row(database) in [(2,), (3,)]


async def test_writes_that_fail_together_fail_when_the_connections_are_closed(nobodys_folder: Path) -> None:
    """Whichever of them is tried again, it gets a new connection to a file that no old one holds open."""
    file = create_migrated_file(nobodys_folder / "tendon.db")
    file.chmod(0o400)
    open_files: list[int] = []

    async def fail() -> None:
        with pytest.raises(DatabaseDown, match="SQLITE_READONLY"):
            await _write(database)
        open_files.append(_descriptors(file))

    async with open_database(f"sqlite://{file}") as database:
        assert _descriptors(file)
        await asyncio.gather(*(fail() for _ in range(5)))
        assert open_files == [0] * 5
        assert await COUNT.row(database) == (0,)
    assert not _descriptors(file)


async def test_an_exclusive_transaction_that_fails_closes_the_connections(nobodys_folder: Path) -> None:
    """Those of the threads too: they were opened while the file could not be written."""
    file = create_migrated_file(nobodys_folder / "tendon.db")
    file.chmod(0o400)
    async with open_database(f"sqlite://{file}") as database:
        assert _descriptors(file)
        with pytest.raises(DatabaseDown, match="SQLITE_READONLY"):
            await _write_exclusively(database)
        assert not _descriptors(file)
        _make_writable(nobodys_folder)
        await _write_exclusively(database)
        await _write(database)
        assert await COUNT.row(database) == (2,)


async def test_an_exclusive_transaction_is_cancelled_while_the_connections_are_closed(nobodys_folder: Path) -> None:
    file = create_migrated_file(nobodys_folder / "tendon.db")
    async with open_database(f"sqlite://{file}") as database:
        for place in count(1):
            file.chmod(0o600)
            await _write(database)
            assert await COUNT.row(database) == (place,)
            file.chmod(0o400)
            ended, suspensions = await run_and_cancel(_fail_exclusively(database), place)
            if ended and suspensions < place:
                break
    assert not _descriptors(file)


async def _fail_exclusively(database: Database) -> None:
    with suppress(DatabaseDown):
        await _write_exclusively(database)


def _descriptors(file: Path) -> int:
    """How many file descriptors this process has of the database and its log."""
    held = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        # The descriptor of the listing itself is closed by now.
        with suppress(OSError):
            held += str(descriptor.readlink()).startswith(str(file))
    return held


def _make_writable(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o600)


COUNT = Statement("SELECT count(*) FROM audit_event")


WRITE = Statement(
    """
    INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    VALUES (now(), 'test', 'oura', '[]', 'ok', 'x') RETURNING id"""
)


async def _write(session: Session) -> None:
    await WRITE.rows(session)


async def _write_exclusively(database: Database) -> None:
    async with database.exclusively(1) as transaction:
        await _write(transaction)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("only where something can be mounted")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


async def test_a_disk_that_is_full(small_disk: Path) -> None:
    """It is detected without writing."""
    url = f"sqlite://{create_migrated_file(small_disk / 'tendon.db')}"
    async with open_database(url) as database:
        await database.check_writable()
        disk = os.statvfs(small_disk)
        (small_disk / "filler").write_bytes(bytes(disk.f_bavail * disk.f_frsize - 100_000))
        with pytest.raises(DatabaseDown, match="SQLITE_FULL"):
            await database.check_writable()
        (small_disk / "filler").unlink()
        await database.check_writable()
