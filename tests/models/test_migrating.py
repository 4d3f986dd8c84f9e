"""Migrations: applied once and completely, and their tables are those that the models describe."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from structlog.testing import capture_logs
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget

from models.database import open_database
from models.engine import Limits, parse_url
from models.migrating import APPS, migrate
from models.pending import pending_migrations
from tests.databases import Database
from tests.orm import orm_of
from tests.processes import tendon
from tests.tables import tables

# Seconds, far above what any of this takes.
PATIENCE = 60


NEWEST = sorted(path.stem for path in (Path(__file__).parents[2] / "models" / "migrations").glob("[0-9]*.py"))


async def test_migrating_once_is_enough(empty_database: Database) -> None:
    url = empty_database.url
    async with open_database(url) as database:
        assert await pending_migrations(database) == NEWEST
    assert await migrate(url) == NEWEST
    assert await migrate(url) == []
    async with open_database(url) as database:
        assert await pending_migrations(database) == []


def test_several_at_once_migrate_one_after_the_other(empty_database: Database, tmp_path: Path) -> None:
    settings = {"TENDON_DATABASE_URL": empty_database.url}
    with ThreadPoolExecutor() as threads:
        runs = [threads.submit(tendon, "migrate", cwd=tmp_path, settings=settings) for _ in range(4)]
    said = sorted(run.result().stdout for run in runs)
    assert [run.result().returncode for run in runs] == [0] * 4
    database = parse_url(empty_database.url)
    assert said == [f"{database}: applied {', '.join(NEWEST)}\n", *[f"{database}: nothing to apply\n"] * 3]


async def test_migrations_apply_all_or_nothing(empty_database: Database) -> None:
    """The last one fails here, and those before it leave nothing behind."""
    await empty_database.fetch("CREATE TABLE audit_key (number int)")
    with pytest.raises(Exception, match=r"(?i)exists|SQLITE_ERROR"):
        await migrate(empty_database.url)
    assert set(await tables(empty_database)) == {"audit_key"}
    await empty_database.fetch("DROP TABLE audit_key")
    assert await migrate(empty_database.url) == NEWEST


async def test_a_migration_says_that_it_waits_for_another(empty_database: Database) -> None:
    async with open_database(empty_database.url, Limits(seconds=PATIENCE)) as database:
        async with database.exclusively(int.from_bytes(b"tendon")):
            with capture_logs() as logged:
                waiting = asyncio.create_task(migrate(empty_database.url))
                async with asyncio.timeout(PATIENCE):
                    while not logged:  # noqa: ASYNC110 - the log has no event to wait for
                        await asyncio.sleep(0.01)
                assert not waiting.done()
        async with asyncio.timeout(PATIENCE):
            assert await waiting == NEWEST
    assert [one["event"] for one in logged] == ["migrate.waiting"]


async def _ignore_advisory_locks(database: Database) -> None:
    """As other servers do that speak PostgreSQL's protocol."""
    if database.engine == "sqlite":
        pytest.skip("has no advisory locks, and one writer at a time")
    name = await database.value("SELECT current_database()")
    session = await asyncpg.connect(database.url)
    await session.execute(
        f"""
        CREATE SCHEMA other;
        CREATE FUNCTION other.pg_try_advisory_xact_lock(bigint) RETURNS bool LANGUAGE sql AS 'SELECT true';
        CREATE FUNCTION other.pg_advisory_xact_lock(bigint) RETURNS void LANGUAGE sql AS 'SELECT';
        ALTER DATABASE "{name}" SET search_path = public, other, pg_catalog"""
    )
    await session.close()


async def test_a_row_is_the_lock_where_advisory_locks_have_no_effect(empty_database: Database) -> None:
    await _ignore_advisory_locks(empty_database)
    await migrate(empty_database.url)
    other = await asyncpg.connect(empty_database.url)
    with capture_logs() as logged:
        async with asyncio.timeout(PATIENCE):
            async with other.transaction():
                await other.execute("SELECT FROM tortoise_migrations FOR UPDATE")
                waiting = asyncio.create_task(migrate(empty_database.url))
                blocked = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
                while not await empty_database.value(blocked):  # noqa: ASYNC110 - the server tells nobody
                    await asyncio.sleep(0.01)
                assert not waiting.done()
            assert await waiting == []
    await other.close()
    assert [one["event"] for one in logged] == ["migrate.waiting"]


async def test_several_create_the_tables_at_once_where_advisory_locks_have_no_effect(empty_database: Database) -> None:
    await _ignore_advisory_locks(empty_database)
    applied = await asyncio.gather(*(migrate(empty_database.url) for _ in range(4)))
    assert sorted(applied) == [[], [], [], NEWEST]


async def test_audit_rows_of_before_keep_their_order_and_what_they_say(empty_database: Database) -> None:
    """Beside the users, whose ids are in no row any more. They get new numbers."""
    async with orm_of(empty_database.url) as orm:
        executor = MigrationExecutor(orm.db("default"), APPS)
        await executor.migrate([MigrationTarget("models", "0003_newest_tokens")])
    moment: Any = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
    if empty_database.engine == "sqlite":
        moment = str(moment)
    # Not in the order in which they were stored.
    for number in (30, 10, 20):
        await empty_database.fetch(
            "INSERT INTO audit_event (id, at, user_id, client_id, subject, action, provider, scopes, outcome,"
            " request_id) VALUES ($1, $2, 'alice', 'app', 'alice', 'authorize', 'oura', '[\"sleep\"]', 'ok', $3)",
            number,
            moment,
            str(number),
        )
    await migrate(empty_database.url)
    columns = "id, request_id, at, client_id, action, provider, scopes, outcome, count, subject, actor"
    kept = await empty_database.fetch(f"SELECT {columns} FROM audit_event ORDER BY id")
    assert [tuple(row) for row in kept] == [
        (number, f"{number}0", moment, "app", "authorize", "oura", '["sleep"]', "ok", 1, None, None)
        for number in (1, 2, 3)
    ]


async def test_requests_of_before_are_kept(empty_database: Database) -> None:
    """Processes of the version before go on with them, and this version remembers what has ended."""
    async with orm_of(empty_database.url) as orm:
        executor = MigrationExecutor(orm.db("default"), APPS)
        await executor.migrate([MigrationTarget("models", "0004_pseudonyms")])
    names = (
        "state_hash, user_id, provider, redirect_uri, registration, scopes, status, created_at, expires_at, purge_after"
    )
    then = "'2026-11-01 12:30:00+00:00'"
    for status in ("pending", "exchanging", "completed", "failed"):
        values = f"'{status}', 'alice', 'oura', 'https://app.example/cb', 'r', '[]', '{status}', {then}, {then}, {then}"
        await empty_database.fetch(f"INSERT INTO authorization_request ({names}) VALUES ({values})")
    rows = f"SELECT {names} FROM authorization_request ORDER BY state_hash"
    before = await empty_database.fetch(rows)
    await migrate(empty_database.url)
    assert await empty_database.fetch(rows) == before
    # What the version before doesn't know is null.
    await empty_database.fetch("UPDATE authorization_request SET purge_after = NULL")


async def test_accounts_of_before_have_their_first_users_as_owners(empty_database: Database) -> None:
    async with orm_of(empty_database.url) as orm:
        executor = MigrationExecutor(orm.db("default"), APPS)
        await executor.migrate([MigrationTarget("models", "0005_ended_request")])
    before = [("carol", "fitbit", "a", 3), ("bob", "oura", "a", 2), ("alice", "oura", "a", 1), ("dan", "oura", None, 4)]
    for user, provider, account, day in before:
        moment: Any = datetime(2026, 11, day, tzinfo=UTC)
        await empty_database.fetch(
            "INSERT INTO connection (id, user_id, provider, status, account, requested_scopes, granted_scopes,"
            " created_at, updated_at) VALUES ($1, $2, $3, 'connected', $4, '[]', '[]', $5, $6)",
            *(str(UUID(int=day)), user, provider, account),
            *([str(moment)] * 2 if empty_database.engine == "sqlite" else [moment] * 2),
        )
    await migrate(empty_database.url)
    columns = "provider, site, account, user_id, connection_id"
    owners = await empty_database.fetch(f"SELECT {columns} FROM account_owner ORDER BY provider")
    assert [(*owner[:4], str(owner[4])) for owner in owners] == [
        ("fitbit", "", "a", "carol", str(UUID(int=3))),
        ("oura", "", "a", "alice", str(UUID(int=1))),
    ]


async def test_indexes_are_really_there(own_database: Database) -> None:
    await migrate(own_database.url)
    found = await tables(own_database)
    assert (True, ("user_id", "provider", "site")) in found["connection"].indexes
    assert (False, ("due_at",)) in found["connection"].indexes
    assert found["account_owner"].key == ("provider", "site", "account")
    assert (False, ("due_at",)) in found["revocation"].indexes
    assert found["authorization_request"].key == ("state_hash", "user_id")
    indexed = ("expires_at", "purge_after", "user_id")
    assert found["authorization_request"].indexes == {(False, (column,)) for column in indexed}
    assert found["ended_request"].key == ("user_id", "state_hash")
    assert found["ended_request"].indexes == {(False, ("ended_at",))}
    assert (False, ("subject", "id")) in found["audit_event"].indexes
    assert (False, ("account", "provider")) in found["connection"].indexes


async def test_connections_of_before_keep_all_that_they_have(empty_database: Database) -> None:
    """Column by column, whatever a migration makes of the table."""
    async with orm_of(empty_database.url) as orm:
        executor = MigrationExecutor(orm.db("default"), APPS)
        await executor.migrate([MigrationTarget("models", "0007_audit_export")])
    columns = (await tables(empty_database))["connection"].columns
    values = {name: _example(name, kind) for name, kind, *_ in columns}
    rows = f"SELECT {', '.join(values)} FROM connection"
    await empty_database.fetch(f"INSERT INTO connection ({', '.join(values)}) VALUES ({', '.join(values.values())})")
    before = await empty_database.fetch(rows)
    assert None not in before[0]
    assert len(set(map(str, before[0]))) == len(values)
    await migrate(empty_database.url)
    assert await empty_database.fetch(rows) == before


def _example(column: str, kind: str) -> str:
    """In SQL, a value of the type that no other column has."""
    number = sum(column.encode())
    match kind.split("(", maxsplit=1)[0].upper().split()[0]:
        case "CHAR" | "UUID":
            return f"'{UUID(int=number)}'"
        case "INT" | "INTEGER":
            return str(number)
        case "TIMESTAMP":
            return f"'{datetime.fromtimestamp(number * 1000, UTC)}'"
        case "JSON" | "JSONB":
            return f"'[\"{column}\"]'"
        case "BLOB" | "BYTEA":
            return f"CAST('{column}' AS {kind})"
        case _:
            return f"'{column}'"


async def test_one_connection_for_user_provider_and_site(own_database: Database) -> None:
    await migrate(own_database.url)
    insert = """INSERT INTO connection
        (id, user_id, provider, site, status, requested_scopes, granted_scopes, created_at, updated_at)
        VALUES ('{}', '{}', '{}', '{}', 'connected', '[]', '[]', '2026-11-01 00:00:00Z', '2026-11-01 00:00:00Z')"""
    rows = [("alice", "oura", ""), ("alice", "fitbit", ""), ("bob", "oura", ""), ("alice", "oura", "eu")]
    for number, row in enumerate(rows):
        await own_database.fetch(insert.format(UUID(int=number), *row))
    for number, row in enumerate(rows, 100):
        with pytest.raises(Exception, match=r"(?i)unique"):
            await own_database.fetch(insert.format(UUID(int=number), *row))
    assert await own_database.value("SELECT count(*) FROM connection") == len(rows)
