"""Opening the database: which URLs, what file, and whether the migrations make the tables that the models describe."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from tortoise.exceptions import IntegrityError
from tortoise.migrations.autodetector import MigrationAutodetector

from models.audit_event import AuditEvent
from models.connection import Connection, ConnectionStatus
from models.database import UnsupportedDatabase, configuration, migrate, opened, pending_migrations

NEWEST = sorted(path.stem for path in (Path(__file__).parents[2] / "models" / "migrations").glob("[0-9]*.py"))


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A machine that lets everybody read what is created."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite",
        "sqlite:",
        "sqlite:/",
        "sqlite://",
        "sqlite://:memory:",
        "SQLITE://tendon.db",
        " sqlite://tendon.db",
        "file:tendon.db",
        "tendon.db",
        "postgres://user:CANARY@database.example/tendon",
        "mysql://user:CANARY@database.example/tendon",
    ],
)
def test_other_urls(url: str) -> None:
    with pytest.raises(UnsupportedDatabase) as raised:
        configuration(url)
    assert str(raised.value) == "must be sqlite://PATH"


@pytest.mark.parametrize("path", ["tendon.db", ".tendon/tendon.db", "/var/lib/tendon.db", "a b?c=d&e#f%20.db"])
def test_a_path_is_taken_as_it_stands(path: str) -> None:
    assert configuration(f"sqlite://{path}")["connections"]["default"]["credentials"]["file_path"] == path


async def test_files_are_the_owners_alone(tmp_path: Path, open_umask: None) -> None:
    folder = tmp_path / "made"
    await migrate(f"sqlite://{folder}/tendon.db")
    async with opened(f"sqlite://{folder}/tendon.db"):
        await note("x")
        # The write-ahead log holds the same rows.
        assert {path.name for path in folder.iterdir()} == {"tendon.db", "tendon.db-wal", "tendon.db-shm"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_what_can_not_be_opened_says_so_at_once(tmp_path: Path) -> None:
    """And is not in the way of what is opened next."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("this is no database, and it is longer than a header of one\n" * 20)
    for name, fault in (("folder", IsADirectoryError), ("text", sqlite3.DatabaseError)):
        with pytest.raises(fault):
            await _open(f"sqlite://{tmp_path}/{name}")
    await migrate(f"sqlite://{tmp_path}/tendon.db")


async def _open(url: str) -> None:
    async with asyncio.timeout(5), opened(url):
        pass


async def test_migrating_once_is_enough(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/tendon.db"
    async with opened(url) as database:
        assert await pending_migrations(database) == NEWEST
    assert await migrate(url) == NEWEST
    assert await migrate(url) == []
    async with opened(url) as database:
        assert await pending_migrations(database) == []


async def test_the_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    """What `make migrations` would write: nothing."""
    url = f"sqlite://{tmp_path}/tendon.db"
    async with opened(url) as database:
        assert database.apps is not None
        changes = await MigrationAutodetector(database.apps, configuration(url)["apps"]).changes()
    assert [change.operations for change in changes] == []


async def test_migrated_tables_are_those_of_the_models(tmp_path: Path) -> None:
    """Column by column and index by index, as the database itself has them."""
    await migrate(f"sqlite://{tmp_path}/migrated.db")
    async with opened(f"sqlite://{tmp_path}/generated.db") as database:
        await database.generate_schemas()
    migrated, generated = _shape(tmp_path / "migrated.db"), _shape(tmp_path / "generated.db")
    assert migrated.keys() - generated.keys() == {"tortoise_migrations"}
    assert {table: migrated[table] for table in generated} == generated


async def test_indexes_are_really_there(tmp_path: Path) -> None:
    await migrate(f"sqlite://{tmp_path}/tendon.db")
    shape = _shape(tmp_path / "tendon.db")
    assert (True, ("user_id", "provider")) in shape["connection"][1]
    assert (False, ("purge_after",)) in shape["authorization_request"][1]
    assert (True, ("state_hash",)) in shape["authorization_request"][1]
    assert (False, ("subject", "at")) in shape["audit_event"][1]


async def test_one_connection_for_user_and_provider(tmp_path: Path) -> None:
    await migrate(f"sqlite://{tmp_path}/tendon.db")
    async with opened(f"sqlite://{tmp_path}/tendon.db"):
        await connect("alice", "oura")
        await connect("alice", "fitbit")
        await connect("bob", "oura")
        with pytest.raises(IntegrityError):
            await connect("alice", "oura")
        assert await Connection.all().count() == 3


async def test_settings_of_the_connection(tmp_path: Path) -> None:
    async with opened(f"sqlite://{tmp_path}/tendon.db") as database:
        for pragma, value in {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000, "synchronous": 2}.items():
            found = await database.db("default").execute_query_dict(f"PRAGMA {pragma}")
            assert list(found[0].values()) == [value], pragma


Shape = tuple[list[tuple[str, str, int, int]], set[tuple[bool, tuple[str, ...]]]]


def _shape(path: Path) -> dict[str, Shape]:
    """Each table's columns (name, type, not null, part of the key) and indexes (unique, columns)."""
    with closing(sqlite3.connect(path)) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return {name: (_columns(database, name), _indexes(database, name)) for (name,) in names.fetchall()}


def _columns(database: sqlite3.Connection, table: str) -> list[tuple[str, str, int, int]]:
    rows = database.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', [table])
    return rows.fetchall()


def _indexes(database: sqlite3.Connection, table: str) -> set[tuple[bool, tuple[str, ...]]]:
    indexes = database.execute('SELECT name, "unique" FROM pragma_index_list(?)', [table]).fetchall()
    return {
        (bool(unique), tuple(column for (column,) in database.execute("SELECT name FROM pragma_index_info(?)", [name])))
        for name, unique in indexes
    }


async def note(name: str) -> None:
    await AuditEvent.create(
        at=datetime.now(UTC), action="test", provider="oura", scopes=[], outcome="ok", request_id=name
    )


async def connect(user: str, provider: str) -> None:
    now = datetime.now(UTC)
    await Connection.create(
        id=uuid4(),
        user_id=user,
        provider=provider,
        status=ConnectionStatus.CONNECTED,
        requested_scopes=[],
        granted_scopes=[],
        created_at=now,
        updated_at=now,
    )
