"""How far an export may go while others write: an id is settled when no transaction can add a lower one any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from models.audit_event import record
from models.audit_export import (
    NONE_YET,
    Settled,
    StoredExport,
    add_export,
    all_exports,
    find_events,
    last_export,
    recording,
    settled,
)
from models.clock import read_clock
from models.database import Database, open_database
from tests.models.flows import entry
from tests.models.rows import value
from tests.postgres import PostgresServer
from tests.waiting import until

AT = datetime(2026, 11, 30, 9, 0, 0, 123000, tzinfo=UTC)
INSERT = """INSERT INTO {table} (at, action, scopes, outcome, request_id)
    VALUES (now(), 'read', '[]', 'ok', 'held') RETURNING id"""
PARTITIONS = """
    ALTER TABLE audit_event RENAME TO audit_event_first;
    ALTER TABLE audit_event_first DROP CONSTRAINT audit_event_pkey;
    CREATE TABLE audit_event (LIKE audit_event_first INCLUDING DEFAULTS) PARTITION BY RANGE (at);
    ALTER TABLE audit_event ATTACH PARTITION audit_event_first DEFAULT"""


async def add(database: Database, **values: Any) -> int:
    """Returns the id."""
    await record(database, entry(**values))
    return await value(database, "SELECT max(id) FROM audit_event")


async def test_exports_follow_each_other(database: Database) -> None:
    assert await last_export(database) == NONE_YET
    exports = [StoredExport(number, number * 10, number * 11, f"{number}" * 64, AT) for number in (1, 2)]
    for export in exports:
        async with recording(database) as transaction:
            await add_export(transaction, export)
    assert await last_export(database) == exports[1]
    assert await all_exports(database) == exports


async def test_events_in_order(database: Database) -> None:
    ids = [await add(database, request_id=f"r{number}") for number in range(4)]
    assert [one.id for one in await find_events(database, ids[0], ids[2], 10)] == ids[1:3]
    assert [one.id for one in await find_events(database, 0, ids[3], 2)] == ids[:2]
    (first, *_) = await find_events(database, 0, ids[3], 2)
    assert (first.request_id, first.scopes, first.actor) == ("r0", ["sleep"], "p-alice")
    assert first.at <= await read_clock(database)


async def test_what_is_settled_without_other_writers(database: Database) -> None:
    assert await settled(database, 7, 60) == Settled(7)
    newest = await add(database)
    assert await settled(database, newest - 1, 60) == Settled(newest)
    assert await settled(database, newest, 60) == Settled(newest)


class Writer:
    """Another client's session on PostgreSQL, whose transaction a test holds open."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.process: int = session.get_server_pid()

    async def execute(self, statements: str) -> None:
        await self._session.execute(statements)

    async def insert(self, table: str = "audit_event") -> int:
        """Returns the id."""
        return await self._session.fetchval(INSERT.format(table=table))

    async def sees_a_look_at_locks(self) -> bool:
        """Whether another session has asked for them."""
        looks = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_locks%' AND pid <> pg_backend_pid()"
        return await self._session.fetchval(f"{looks} AND datname = current_database() AND state = 'idle'") > 0


@dataclass(frozen=True)
class Server:
    database: Database
    writer: Writer
    another: Writer


@pytest.fixture
async def server(postgres: PostgresServer) -> AsyncGenerator[Server]:
    """A database of its own."""
    url = await postgres.create_migrated()
    sessions: list[Any] = [await asyncpg.connect(url) for _ in range(2)]
    async with open_database(url) as database:
        yield Server(database, *map(Writer, sessions))
    for session in sessions:
        await session.close()


async def test_an_open_transaction_with_a_lower_id(server: Server) -> None:
    database, writer = server.database, server.writer
    await add(database)
    await writer.execute("BEGIN")
    held = await writer.insert()
    newest = await add(database)
    assert held < newest
    assert await settled(database, 0, 0.05) == Settled(newest, writer.process)


async def test_a_later_transaction_is_not_waited_for(server: Server) -> None:
    database, writer, another = server.database, server.writer, server.another
    await writer.execute("BEGIN")
    await writer.insert()
    newest = await add(database)
    waiting = asyncio.create_task(settled(database, 0, 60))
    await until(another.sees_a_look_at_locks, "a look at the transactions that are open")
    await another.execute("BEGIN")
    await another.insert()
    await writer.execute("COMMIT")
    assert await waiting == Settled(newest)


async def test_a_transaction_that_has_only_taken_an_id(server: Server) -> None:
    """Its transaction id, which it has not yet, will be higher than those of events with higher ids."""
    await server.writer.execute("BEGIN; SELECT nextval('audit_event_id_seq')")
    newest = await add(server.database)
    assert await settled(server.database, 0, 0) == Settled(newest, server.writer.process)
    await server.writer.execute("ROLLBACK")
    assert await settled(server.database, 0, 60) == Settled(newest)


async def test_an_older_transaction_with_the_higher_id(server: Server) -> None:
    """It has ended. The younger one, which has the higher transaction id and the lower id, is still open."""
    database, older, younger = server.database, server.writer, server.another
    await older.execute("BEGIN; SELECT txid_current()")
    await younger.execute("BEGIN")
    held = await younger.insert()
    newest = await older.insert()
    await older.execute("COMMIT")
    assert held < newest
    assert await settled(database, 0, 0) == Settled(newest, younger.process)
    await younger.execute("COMMIT")
    assert await settled(database, 0, 60) == Settled(newest)


async def test_who_adds_no_events_is_not_waited_for(server: Server) -> None:
    """Such as a dump, retention, or a long transaction elsewhere."""
    newest = await add(server.database)
    await server.writer.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM audit_event")
    await server.another.execute("BEGIN; CREATE TABLE another (x integer); DELETE FROM audit_event WHERE id < 0")
    assert await settled(server.database, 0, 60) == Settled(newest)


async def test_a_transaction_that_adds_to_a_partition(server: Server) -> None:
    await server.another.execute(PARTITIONS)
    await server.writer.execute("BEGIN")
    await server.writer.insert("audit_event_first")
    newest = await add(server.database)
    assert await settled(server.database, 0, 0) == Settled(newest, server.writer.process)
    await server.writer.execute("COMMIT")
    assert await settled(server.database, 0, 60) == Settled(newest)
