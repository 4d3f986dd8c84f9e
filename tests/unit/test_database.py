"""Opening the database: which URLs, what file, and whether the migrations make the tables that the models describe."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from tortoise.migrations.autodetector import MigrationAutodetector

from models.database import DatabaseDown, UnsupportedDatabase, open_database
from models.engine import Limits, PostgresUrl, Script, SqliteUrl, Step, parse_url
from models.migrating import APPS, migrate
from models.pending import pending_migrations
from tests.conftest import new_database
from tests.databases import Database
from tests.orm import orm_of
from tests.processes import tendon
from tests.tables import tables

# Seconds, far above what any of this takes.
PATIENCE = 60
NEWEST = sorted(path.stem for path in (Path(__file__).parents[2] / "models" / "migrations").glob("[0-9]*.py"))


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
        "mysql://user:CANARY@database.example/tendon",
        "postgres:/CANARY",
        "postgres://",
        "postgres://user:CANARY@database.example",
        "postgres://user:CANARY@database.example/",
        "postgres://user:CANARY@/tendon",
        "postgres://:CANARY@database.example/tendon",
        "postgres://user:CANARY@database.example:port/tendon",
        "postgres://user:CANARY@database.example:99999/tendon",
        "postgres://user:CANARY@database.example/a/b",
        "postgres://user:CANARY@[database.example/tendon",
        "postgres://user:CANARY@database.example/tendon#x",
        "postgres://user:CANARY@database.example/tendon?password=CANARY",
        "postgres://user:CANARY@database.example/tendon?sslmode=CANARY",
        "postgres://user:CANARY@database.example/tendon?sslrootcert=/nothing/CANARY",
        "postgres://user:CANARY@database.example/tendon?sslmode=require&sslrootcert=system",
    ],
)
def test_other_urls(url: str) -> None:
    with pytest.raises(UnsupportedDatabase) as raised:
        parse_url(url)
    assert str(raised.value).startswith("m")
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize("path", ["tendon.db", ".tendon/tendon.db", "/var/lib/tendon.db", "a b?c=d&e#f%20.db"])
def test_a_path_is_taken_as_it_stands(path: str) -> None:
    assert parse_url(f"sqlite://{path}") == SqliteUrl(path)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("postgres://me@db.example/tendon", ("me", None, "db.example", 5432, "tendon", "verify-full")),
        ("postgresql://me:p%40ss%2F@db.example:6/t%20n", ("me", "p@ss/", "db.example", 6, "t n", "verify-full")),
        ("postgres://me@192.0.2.1/tendon", ("me", None, "192.0.2.1", 5432, "tendon", "verify-full")),
        ("postgres://me@localhost.example/tendon", ("me", None, "localhost.example", 5432, "tendon", "verify-full")),
        ("postgres://me@/tendon?host=db.example", ("me", None, "db.example", 5432, "tendon", "verify-full")),
        ("postgres://me@localhost/tendon?host=db.example", ("me", None, "db.example", 5432, "tendon", "verify-full")),
        ("postgres://me@db.example/tendon?sslmode=disable", ("me", None, "db.example", 5432, "tendon", "disable")),
        ("postgres://me@localhost/tendon", ("me", None, "localhost", 5432, "tendon", None)),
        ("postgres://me@127.9.9.9/tendon", ("me", None, "127.9.9.9", 5432, "tendon", None)),
        ("postgres://me@[::1]/tendon", ("me", None, "::1", 5432, "tendon", None)),
        ("postgres://me@/tendon?host=/run/postgresql", ("me", None, "/run/postgresql", 5432, "tendon", None)),
        ("postgres://me@[::1]/tendon?sslmode=require", ("me", None, "::1", 5432, "tendon", "require")),
    ],
)
def test_a_servers_url(url: str, meant: tuple[str, str | None, str, int, str, str | None]) -> None:
    assert parse_url(url) == PostgresUrl(*meant, sslrootcert=None)


async def test_what_can_not_be_opened_says_so_at_once(tmp_path: Path) -> None:
    """And is not in the way of what is opened next."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("this is no database, and it is longer than a header of one\n" * 20)
    for name, fault in (("folder", IsADirectoryError), ("text", DatabaseDown)):
        with pytest.raises(fault):
            await _open(f"sqlite://{tmp_path}/{name}")
    await migrate(f"sqlite://{tmp_path}/tendon.db")


async def _open(url: str) -> None:
    async with asyncio.timeout(5), open_database(url):
        pass


async def test_migrating_once_is_enough(own_database: Database) -> None:
    url = own_database.url
    async with open_database(url) as database:
        assert await pending_migrations(database) == NEWEST
    assert await migrate(url) == NEWEST
    assert await migrate(url) == []
    async with open_database(url) as database:
        assert await pending_migrations(database) == []


def test_several_at_once_migrate_one_after_the_other(own_database: Database, tmp_path: Path) -> None:
    settings = {"TENDON_DATABASE_URL": own_database.url}
    with ThreadPoolExecutor() as threads:
        runs = [threads.submit(tendon, "migrate", cwd=tmp_path, settings=settings) for _ in range(4)]
    said = sorted(run.result().stdout for run in runs)
    assert [run.result().returncode for run in runs] == [0] * 4
    database = parse_url(own_database.url)
    assert said == [f"{database}: applied {', '.join(NEWEST)}\n", *[f"{database}: nothing to apply\n"] * 3]


async def test_migrations_apply_all_or_nothing(own_database: Database) -> None:
    """The last one fails here, and those before it leave nothing behind."""
    await own_database.fetch("CREATE TABLE audit_key (number int)")
    with pytest.raises(Exception, match=r"(?i)exists|SQLITE_ERROR"):
        await migrate(own_database.url)
    assert set(await tables(own_database)) == {"audit_key"}
    await own_database.fetch("DROP TABLE audit_key")
    assert await migrate(own_database.url) == NEWEST


async def test_a_migration_says_that_it_waits_for_another(own_database: Database) -> None:
    async with open_database(own_database.url, Limits(seconds=PATIENCE)) as database:
        async with database.exclusively(int.from_bytes(b"tendon")):
            with capture_logs() as logged:
                waiting = asyncio.create_task(migrate(own_database.url))
                async with asyncio.timeout(PATIENCE):
                    while not logged:  # noqa: ASYNC110 - the log has no event to wait for
                        await asyncio.sleep(0.01)
                assert not waiting.done()
        async with asyncio.timeout(PATIENCE):
            assert await waiting == NEWEST
    assert [one["event"] for one in logged] == ["migrate.waiting"]


async def test_the_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    """What `make migrations` would write: nothing."""
    async with orm_of(f"sqlite://{tmp_path}/tendon.db") as orm:
        assert orm.apps is not None
        changes = await MigrationAutodetector(orm.apps, APPS).changes()
    assert [change.operations for change in changes] == []


async def test_migrated_tables_are_those_of_the_models(
    own_database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Column by column and index by index, as the database itself has them."""
    await migrate(own_database.url)
    (tmp_path / "generated").mkdir()
    fresh = await new_database(request, tmp_path / "generated", own_database.engine)
    async with orm_of(fresh.url) as orm:
        await orm.generate_schemas()
    migrated, generated = await tables(own_database), await tables(fresh)
    assert migrated.keys() - generated.keys() == {"tortoise_migrations"}
    assert {table: migrated[table] for table in generated} == generated


async def test_indexes_are_really_there(own_database: Database) -> None:
    await migrate(own_database.url)
    found = await tables(own_database)
    assert (True, ("user_id", "provider")) in found["connection"].indexes
    assert (False, ("purge_after",)) in found["authorization_request"].indexes
    assert (True, ("state_hash",)) in found["authorization_request"].indexes
    assert (False, ("subject", "id")) in found["audit_event"].indexes
    assert (False, ("account", "provider")) in found["connection"].indexes


async def test_one_connection_for_user_and_provider(own_database: Database) -> None:
    await migrate(own_database.url)
    insert = """INSERT INTO connection
        (id, user_id, provider, status, requested_scopes, granted_scopes, created_at, updated_at)
        VALUES ({}, {}, {}, 'connected', '[]', '[]', '2026-11-01 00:00:00+00:00', '2026-11-01 00:00:00+00:00')"""
    for number, (user, provider) in enumerate([("alice", "oura"), ("alice", "fitbit"), ("bob", "oura")]):
        await own_database.fetch(insert.format(f"'{UUID(int=number)}'", f"'{user}'", f"'{provider}'"))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await own_database.fetch(insert.format(f"'{UUID(int=9)}'", "'alice'", "'oura'"))
    assert await own_database.value("SELECT count(*) FROM connection") == 3


async def test_settings_of_the_connection(tmp_path: Path) -> None:
    async with open_database(f"sqlite://{tmp_path}/tendon.db") as database:
        for pragma, value in {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000, "synchronous": 2}.items():
            for writes in (False, True):
                rows = await database.run(Script((Step(f"PRAGMA {pragma}", ()),), writes), {})
                # The thread that writes waits for locks by itself.
                expected = 0 if writes and pragma == "busy_timeout" else value
                assert rows == [(expected,)], pragma
