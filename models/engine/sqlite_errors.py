"""Classifies the exceptions of sqlite3: whether the database is down, which constraint is broken, and whether the
connection can still be used."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from models.engine.errors import DatabaseDown, Violation

# A connection that was opened while the file was not writable stays read-only. After an I/O error, or if the file was
# replaced, a connection is not reliable.
_BREAKING: Final = ("SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_NOTADB")

# SQLite names the columns, and never a value: `UNIQUE constraint failed: connection.user_id, connection.provider`.
_CONSTRAINT: Final = re.compile(r"(NOT NULL|UNIQUE) constraint failed: (\w+)\.")


def outage(error: BaseException) -> DatabaseDown | None:
    """The DatabaseDown for an exception that means that the database is unavailable. None for a violated constraint or
    an invalid statement: those are programming errors."""
    # sqlite3 raises DatabaseError itself, not a subclass, for a file that is not a database.
    if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
        return DatabaseDown(error_name(error))
    return None


def translated(error: BaseException) -> DatabaseDown | Violation | None:
    """The exception that stands for one of sqlite3's from a statement, None if no other does."""
    if isinstance(error, sqlite3.IntegrityError) and (found := _CONSTRAINT.match(str(error))):
        return Violation(found[2], is_missing=found[1] == "NOT NULL")
    return outage(error)


def breaks_connections(error: BaseException) -> bool:
    """Whether the connections to the file must be closed after this error."""
    down = error if isinstance(error, DatabaseDown) else outage(error)
    return down is not None and down.reason.startswith(_BREAKING)


def error_name(error: BaseException) -> str:
    """SQLite's name for the error, such as SQLITE_BUSY."""
    return getattr(error, "sqlite_errorname", type(error).__name__)
