"""Files that hold data are private, whoever created them: the database and the keys of dev mode."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.settings import Settings, SettingsError
from gateway.settings.reading import settings_of
from gateway.settings.vault_keys import open_vault
from models.database import DatabaseDown, Session, open_database
from models.file_modes import ReadableByOthers, make_own_folder_private, make_private, world_writable_folders
from models.migrating import migrate
from models.statement import Statement
from tests.databases import create_migrated_file


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
    create_migrated_file(tmp_path / "tendon.db")
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


async def test_a_file_of_somebody_else_that_others_may_read_is_refused(nobodys_folder: Path) -> None:
    file = create_migrated_file(nobodys_folder / "tendon.db")
    os.seteuid(0)
    file.chmod(0o666)
    os.chown(file, 0, 0)
    os.seteuid(65534)
    with pytest.raises(ReadableByOthers, match=r"tendon.db may be read by others .* its owner must `chmod 600` it"):
        await _open(f"sqlite://{file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o666


async def test_a_file_that_is_no_database_keeps_its_mode(tmp_path: Path) -> None:
    """Its path is probably mistyped."""
    file = tmp_path / "notes.txt"
    file.write_text("this is no database\n" * 100)
    file.chmod(0o644)
    with capture_logs() as logged, pytest.raises(DatabaseDown, match="SQLITE_NOTADB"):
        await _open(f"sqlite://{file}")
    assert (stat.S_IMODE(file.stat().st_mode), logged) == (0o644, [])


async def test_an_empty_file_becomes_a_private_database(tmp_path: Path) -> None:
    file = tmp_path / "tendon.db"
    file.touch()
    file.chmod(0o644)
    with capture_logs() as logged:
        await _open(f"sqlite://{file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one["was"] for one in logged] == ["0644"]


async def test_folders_are_made_as_far_as_they_are_missing(tmp_path: Path) -> None:
    for file in (tmp_path / "a" / "b" / "tendon.db", tmp_path / "a" / "b" / "other.db"):
        with capture_logs() as logged:
            await _open(f"sqlite://{file}")
        assert logged == []
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_only_what_others_may_do_is_taken_away(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for mode, private in ((0o777, 0o700), (0o640, 0o600), (0o404, 0o400), (0o500, 0o500), (0o601, 0o600)):
        file.touch()
        file.chmod(mode)
        with capture_logs() as logged:
            make_private(file)
        assert stat.S_IMODE(file.stat().st_mode) == private
        assert [one["was"] for one in logged] == ([] if mode == private else [f"{mode:04o}"])
        file.unlink()
    make_private(file)
    assert not file.exists()


def test_only_a_folder_of_our_own_is_made_private(tmp_path: Path) -> None:
    other, linked = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (other, linked):
        folder.mkdir()
        folder.chmod(0o777)
    (tmp_path / ".tendon").symlink_to(linked)
    with capture_logs() as logged:
        for folder in (other, tmp_path / ".tendon"):
            make_own_folder_private(folder)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (other, linked)] == [0o777] * 2
    assert logged == []


def test_folders_in_which_any_user_could_replace_a_file(tmp_path: Path) -> None:
    folder, linked = tmp_path / "folder", tmp_path / "linked"
    folder.mkdir()
    linked.mkdir()
    (linked / "tendon.db").touch()
    (folder / "link.db").symlink_to(linked / "tendon.db")
    both = [folder, linked]
    for modes, found in (
        ((0o700, 0o700), []),
        ((0o777, 0o700), [folder]),
        ((0o702, 0o1777), [folder]),
        ((0o775, 0o777), [linked]),
        ((0o777, 0o777), both),
    ):
        for one, mode in zip(both, modes, strict=True):
            one.chmod(mode)
        assert world_writable_folders(folder / "link.db") == found
    assert world_writable_folders(folder / "tendon.db") == [folder]
    assert world_writable_folders(tmp_path / "missing" / "tendon.db") == []


WRITE = Statement(
    """
    INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    VALUES (now(), 'test', 'oura', '[]', 'ok', 'x') RETURNING id"""
)


async def _write(session: Session) -> None:
    await WRITE.rows(session)


async def _open(url: str) -> None:
    async with asyncio.timeout(60), open_database(url):
        pass


DEV = settings_of(Settings, {"auth": "dev"})


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
