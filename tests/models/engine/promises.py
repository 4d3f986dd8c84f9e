"""Statements and checks that the tests of the engines share."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from typing import Any, Final
from uuid import uuid4

from models.database import Database as OpenDatabase
from models.database import Limits, Session
from models.engine import Row, Script, Step
from models.statement import Statement
from tests.databases import Database

PATIENCE: Final = 60
"""Seconds. Far above what any of this takes, so whatever takes longer hangs."""

_EVENT: Final = """INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    SELECT now(), 'test', 'oura', '[]', 'ok', :name"""
NOTE: Final = Statement(
    """
    INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    VALUES (now(), 'test', 'oura', '[]', :text, :name) RETURNING id"""
)
COUNT: Final = Statement("SELECT count(*) FROM audit_event")
COUNT_NAMED: Final = Statement("SELECT count(*) FROM audit_event WHERE request_id = :name")
_CONNECTION: Final = Statement("SELECT user_id FROM connection WHERE user_id = :name")
# One connection for each name that has none yet, and two events that follow from it.
_CONNECT: Final = Statement(
    """
    INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, created_at, updated_at)
    VALUES (:id, :name, 'oura', 'connected', '[]', '[]', now(), after(:seconds))
    ON CONFLICT (user_id, provider, site) DO NOTHING RETURNING id, user_id""",
    """
    INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    SELECT now(), 'test', done.user_id, '[]', :outcome, :name FROM done""",
    f"{_EVENT} FROM done",
)
# Events that follow only if a column of the first row is true.
CONDITIONAL: Final = Statement(
    """
    INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, created_at, updated_at)
    VALUES (:id, :name, 'oura', 'connected', '[]', '[]', now(), now())
    RETURNING user_id = 'alice' AS noticed, account = 'x' AS unknown""",
    f"{_EVENT} FROM done WHERE done.noticed",
    f"{_EVENT} FROM done WHERE done.unknown",
)
# The owner of an account, who may be another user, and an event if it is.
OWNED: Final = Statement(
    """
    INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, created_at, updated_at)
    VALUES (:id, :name, 'oura', 'connected', '[]', '[]', now(), now()) RETURNING id, user_id = 'carol' AS noticed""",
    f"{_EVENT} FROM done WHERE done.noticed OR done.is_other",
    joining="""
        INSERT INTO account_owner (provider, site, account, user_id, connection_id, created_at)
        SELECT 'oura', '', CAST(:account AS text), :name, done.id, now()
        FROM done WHERE CAST(:account AS text) IS NOT NULL
        ON CONFLICT (provider, site, account) DO UPDATE SET created_at = excluded.created_at
        RETURNING user_id <> :name AS is_other, created_at AS owned_at""",
)

ALL: Final = (True, 2)
NOTHING: Final = (False, 0)


async def sql(session: Session, text: str) -> Sequence[Row]:
    """SQL of one dialect, without parameters."""
    return await session.run(Script((Step(text, ()),), writes=False), {})


async def note(session: Session, name: str = "x", text: str | None = "ok") -> None:
    """A single row."""
    await NOTE.row(session, name=name, text=text)


async def connect(session: Session, name: str, outcome: str | None = "ok") -> Any:
    """Three rows by one script. It fails at the second if there is no `outcome`."""
    return await _CONNECT.row(session, id=str(uuid4()), name=name, seconds=1.5, outcome=outcome)


async def stored(session: Session, name: str) -> tuple[bool, int]:
    """Whether `connect` stored a connection, and how many events."""
    return await _CONNECTION.row(session, name=name) is not None, await count(session, name)


async def count(session: Session, name: str) -> int:
    row = await COUNT_NAMED.row(session, name=name)
    assert row is not None
    return row[0]


async def assert_nothing_is_held(database: OpenDatabase, outside: Database) -> None:
    """No transaction is open and no connection lost, for this process and for any other."""
    async with asyncio.timeout(PATIENCE):
        await note(database, "afterwards")
        if outside.engine == "sqlite":
            _lock(outside.url.removeprefix("sqlite://"))
            return
        opened = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start < now()"
        assert await outside.value(f"{opened} AND pid <> pg_backend_pid() AND application_name = 'tendon'") == 0
        async with AsyncExitStack() as stack:
            for number in range(Limits().connections):
                await stack.enter_async_context(database.exclusively(number))


def _lock(path: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as session:
        session.execute("BEGIN IMMEDIATE")
        session.execute("ROLLBACK")
