"""What an error of SQLite means: whether the database is down, and whether the connection can still be used."""

from __future__ import annotations

import sqlite3
from typing import Final

from models.engine.errors import DatabaseDown

# A connection opened while the file was not writable stays read-only, and one that met an I/O error or a replaced file
# can't be trusted.
_BREAKING: Final = ("SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_NOTADB")


def outage(error: BaseException) -> DatabaseDown | None:
    """None for a violated constraint or a wrong statement: those are mistakes, not outages."""
    # DatabaseError itself is raised for a file that is no database.
    if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
        return DatabaseDown(error_name(error))
    return None


def breaks_connections(error: BaseException) -> bool:
    """Whether the connections to the file must be closed after this error."""
    down = error if isinstance(error, DatabaseDown) else outage(error)
    return down is not None and down.reason.startswith(_BREAKING)


def error_name(error: BaseException) -> str:
    """Such as SQLITE_BUSY."""
    return getattr(error, "sqlite_errorname", type(error).__name__)
