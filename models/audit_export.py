"""The exports of the audit trail: how far each one got, and which events the next one may take.

An export contains all events from the last id of the one before to its own. Ids come from a sequence, so on PostgreSQL
a lower id may be committed after a higher one; `settled` says up to which id this can no longer happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

import msgspec

from models.audit_event import SHOWN, StoredEvent
from models.database import Database, Session
from models.engine import Script, Step
from models.statement import Statement

# The key of PostgreSQL's advisory lock.
_LOCK: Final = int.from_bytes(b"exports")
# Seconds between two looks at the transactions that are open.
_INTERVAL: Final = 0.01


class StoredExport(msgspec.Struct, frozen=True):
    """A row. The one before the first export is NONE_YET."""

    number: int
    last_id: int
    lines: int
    digest: str
    exported_at: datetime | None


NONE_YET: Final = StoredExport(number=0, last_id=0, lines=0, digest="0" * 64, exported_at=None)


_COLUMNS: Final = "number, last_id, lines, digest, exported_at"
_LAST: Final = Statement("SELECT {columns} FROM audit_export ORDER BY number DESC LIMIT 1", columns=_COLUMNS)
_ALL: Final = Statement("SELECT {columns} FROM audit_export ORDER BY number", columns=_COLUMNS)
_ADD: Final = Statement(
    """
    INSERT INTO audit_export (number, last_id, lines, digest, exported_at)
    VALUES (:number, :last_id, :lines, :digest, :exported_at)"""
)
_EVENTS: Final = Statement(
    "SELECT {shown} FROM audit_event WHERE id > :after AND id <= :until ORDER BY id LIMIT :most", shown=SHOWN
)
_NEWEST: Final = Statement("SELECT id FROM audit_event WHERE id > :after ORDER BY id DESC LIMIT 1")
# nextval() takes a lock of this mode on the sequence before it takes an id, and the transaction holds it until it ends.
# Comparing transaction ids would not do: of two transactions, the one with the lower transaction id may take the higher
# id for its event, and one may take the id of its event before it has a transaction id.
_WRITERS: Final = Script(
    (
        Step(
            """
SELECT virtualtransaction, pid FROM pg_locks
WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
    AND relation = 'audit_event_id_seq'::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
            (),
        ),
    ),
    writes=False,
)

_LAST_VALUE: Final = Script((Step("SELECT last_value FROM audit_event_id_seq", ()),), writes=False)


async def last_export(session: Session) -> StoredExport:
    """Raises DatabaseDown."""
    row = await _LAST.row(session)
    return StoredExport(*row) if row else NONE_YET


async def all_exports(session: Session) -> list[StoredExport]:
    """In their order. Raises DatabaseDown."""
    return [StoredExport(*row) for row in await _ALL.rows(session)]


def recording(database: Database) -> AbstractAsyncContextManager[Session]:
    """A transaction in which no other process records an export. Raises DatabaseDown."""
    return database.exclusively(_LOCK)


async def add_export(transaction: Session, export: StoredExport) -> None:
    """Raises DatabaseDown."""
    await _ADD.rows(transaction, **msgspec.structs.asdict(export))


async def find_events(database: Database, after: int, until: int, most: int) -> Sequence[StoredEvent]:
    """Up to `most` events with ids above `after` and up to `until`, in the order of their ids. Raises DatabaseDown."""
    return [StoredEvent.of(row) for row in await _EVENTS.rows(database, after=after, until=until, most=most)]


class Settled(msgspec.Struct, frozen=True):
    """Up to which id an export may go. If `open_process` is set, a transaction of that process (as in
    `pg_stat_activity`, 0 for a prepared transaction) may still add events up to there: then the export must end before
    the first id that is missing."""

    last_id: int
    open_process: int | None = None


async def settled(database: Database, after: int, patience: float) -> Settled:
    """Up to which id events can be exported: `after` if there are none above it. Waits up to `patience` seconds for the
    transactions that are adding events now. Raises DatabaseDown."""
    row = await _NEWEST.row(database, after=after)
    if row is None:
        return Settled(after)
    newest: int = row[0]
    # Read after `newest`: whoever has a lower id and has not ended is among them.
    writers = await _writers(database)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    left = writers
    while left and loop.time() < deadline:
        await asyncio.sleep(_INTERVAL)
        current = await _writers(database)
        left = {transaction: process for transaction, process in left.items() if transaction in current}
    return Settled(newest, next(iter(left.values()), None))


async def last_taken_id(database: Database) -> int | None:
    """The last id that the sequence has given; None on SQLite, which goes on after the highest id there is. Raises
    DatabaseDown."""
    if database.dialect == "sqlite":
        return None
    (row,) = await database.run(_LAST_VALUE, {})
    return row[0]


async def _writers(database: Database) -> dict[str, int]:
    """The transactions that may have taken an id, with their processes. Only one can on SQLite, and it is not visible
    what it adds before others can take higher ids."""
    if database.dialect == "sqlite":
        return {}
    return {transaction: process or 0 for transaction, process in await database.run(_WRITERS, {})}
