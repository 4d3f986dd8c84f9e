"""The file of an SQLite database: private, whoever created it, and writable again as soon as possible."""

from __future__ import annotations

import asyncio
import codecs
import os
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from operator import methodcaller
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.database_check import warn_of_database
from gateway.settings import Settings, SettingsError
from gateway.settings.vault_keys import open_vault
from models.database import Database, DatabaseDown, Session, open_database
from models.file_modes import ReadableByOthers
from models.migrating import migrate
from models.statement import Statement


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A machine on which created files are readable by everyone."""
    before = os.umask(0)
    yield
    os.umask(before)


async def test_files_are_the_owners_alone(tmp_path: Path, open_umask: None) -> None:
    folder = tmp_path / "made"
    await migrate(f"sqlite://{folder}/tendon.db")
    async with open_database(f"sqlite://{folder}/tendon.db") as database:
        await _write(database)
        # The write-ahead log holds the same rows.
        assert {path.name for path in folder.iterdir()} == {"tendon.db", "tendon.db-wal", "tendon.db-shm"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o666])
async def test_files_that_others_may_read_are_made_private(tmp_path: Path, mode: int) -> None:
    """In any folder and whoever set the mode: the database's file, and those that a killed process leaves beside it."""
    url = f"sqlite://{tmp_path}/link.db"
    (tmp_path / "link.db").symlink_to(tmp_path / "tendon.db")
    await migrate(url)
    with closing(sqlite3.connect(tmp_path / "tendon.db", isolation_level=None)) as killed:
        killed.execute("DELETE FROM audit_event")
        files = [tmp_path / f"tendon.db{suffix}" for suffix in ("", "-wal", "-shm")]
        for file in files:
            file.chmod(mode)
        with capture_logs() as logged:
            await _open(url)
        assert [stat.S_IMODE(file.stat().st_mode) for file in files if file.exists()] == [0o600] * 3
    assert [(one["event"], one["file"], one["was"]) for one in logged] == [
        ("file.mode", str(file), f"{mode:04o}") for file in files
    ]


@pytest.fixture
async def _loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another user may not be able to read the modules that are loaded on first use."""
    codecs.lookup("ascii")
    url = f"sqlite://{tmp_path_factory.mktemp('loaded')}/tendon.db"
    await migrate(url)
    await _open(url)


@pytest.fixture
def nobodys_folder(_loaded: None) -> Iterator[Path]:
    """The test runs as a user other than root, in a folder of that user."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as two users")
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, 65534, 65534)
        os.seteuid(65534)
        yield Path(name)
        os.seteuid(0)


async def test_a_file_of_somebody_else_that_others_may_read_is_refused(nobodys_folder: Path) -> None:
    file = nobodys_folder / "tendon.db"
    await migrate(f"sqlite://{file}")
    os.seteuid(0)
    file.chmod(0o666)
    os.chown(file, 0, 0)
    os.seteuid(65534)
    with pytest.raises(ReadableByOthers, match=r"tendon.db may be read by others .* its owner must `chmod 600` it"):
        await _open(f"sqlite://{file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o666


async def test_a_file_that_was_read_only_when_it_was_opened(nobodys_folder: Path) -> None:
    """The connection stays read-only, so it is closed. The second call at the latest succeeds."""
    file = nobodys_folder / "tendon.db"
    await migrate(f"sqlite://{file}")
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


async def _open(url: str) -> None:
    async with asyncio.timeout(5), open_database(url):
        pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("only where something can be mounted")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


async def test_a_disk_that_is_full(small_disk: Path) -> None:
    """It is detected without writing."""
    url = f"sqlite://{small_disk}/tendon.db"
    await migrate(url)
    async with open_database(url) as database:
        await database.check_writable()
        disk = os.statvfs(small_disk)
        (small_disk / "filler").write_bytes(bytes(disk.f_bavail * disk.f_frsize - 100_000))
        with pytest.raises(DatabaseDown, match="SQLITE_FULL"):
            await database.check_writable()
        (small_disk / "filler").unlink()
        await database.check_writable()


DEV = Settings.model_validate({"auth": "dev"})


def test_the_keys_of_dev_are_made_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_vault(DEV)
    keys = tmp_path / ".tendon" / "vault.keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    keys.chmod(0o644)
    with capture_logs() as logged:
        open_vault(DEV)
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert [(one["event"], one["was"]) for one in logged] == [("file.mode", "0644")]


def test_keys_of_somebody_else_that_others_may_read_are_refused(
    nobodys_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(nobodys_folder)
    open_vault(DEV)
    os.seteuid(0)
    (nobodys_folder / ".tendon" / "vault.keys").chmod(0o644)
    os.chown(".tendon/vault.keys", 0, 0)
    os.seteuid(65534)
    with pytest.raises(SettingsError, match="may be read by others"):
        open_vault(DEV)


async def test_the_folder_that_tendon_made_is_made_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may write to it could put files of their own in the place of ours."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".tendon"
    for use in (partial(migrate, "sqlite://.tendon/tendon.db"), _open_keys):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        with capture_logs() as logged:
            await use()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [(one["event"], one["file"], one["was"]) for one in logged] == [("file.mode", ".tendon", "0777")]


async def _open_keys() -> None:
    open_vault(DEV)


@pytest.mark.parametrize("mode", [0o777, 0o755])
async def test_a_folder_of_that_name_of_somebody_else_is_refused(
    nobodys_folder: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.chdir(nobodys_folder)
    os.seteuid(0)
    folder = nobodys_folder / ".tendon"
    folder.mkdir()
    folder.chmod(mode)
    os.seteuid(65534)
    problem = r"^\.tendon may be read by others and belongs to another user: its owner must `chmod 700` it$"
    with pytest.raises(ReadableByOthers, match=problem):
        await migrate("sqlite://.tendon/tendon.db")
    with pytest.raises(SettingsError, match=problem):
        open_vault(DEV)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("mode", "warned"), [(0o777, True), (0o702, True), (0o1777, False), (0o775, False)])
async def test_another_folder_is_warned_about_and_left_as_it_is(tmp_path: Path, mode: int, warned: bool) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    (tmp_path / "link.db").symlink_to(folder / "tendon.db")
    for url in (f"sqlite://{folder}/tendon.db", f"sqlite://{tmp_path}/link.db"):
        with capture_logs() as logged:
            warn_of_database(url)
            await migrate(url)
        told = [(one["event"], one["folder"]) for one in logged]
        assert told == ([("folder.mode", str(folder))] if warned else [])
    assert stat.S_IMODE(folder.stat().st_mode) == mode
