"""Rows as the tests of statements write and read them, on either engine."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

from models.database import Session
from models.statement import Statement


async def run(session: Session, text: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement, with ids as text, booleans as numbers, and bytes as bytes on both engines."""
    return [tuple(_alike(value) for value in row) for row in await Statement(text).rows(session, **values)]


async def value(session: Session, text: str, **values: Any) -> Any:
    """The only column of the only row."""
    ((only,),) = await run(session, text, **values)
    return only


async def now(session: Session) -> datetime:
    """By the database's clock."""
    return await value(session, "SELECT now() AS read_at")


async def events(session: Session, columns: str = "action, outcome") -> list[tuple[Any, ...]]:
    """The audit trail, sorted by what it says: statements that belong together run in no particular order."""
    return sorted(await run(session, f"SELECT {columns} FROM audit_event"), key=str)


async def waits_for_a_lock(transaction: Session, task: asyncio.Task[Any]) -> None:
    """Until it does. On SQLite everything that writes waits anyway."""
    locks = {"postgres": "SELECT count(*) FROM pg_locks WHERE NOT granted", "sqlite": "SELECT 1"}
    # The server has no event for it.
    while not task.done() and not await value(transaction, locks[transaction.dialect]):  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def _alike(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, UUID):
        return str(value)
    return bytes(value) if isinstance(value, memoryview) else value
