"""What the exceptions of sqlite3 mean: is the database down, and are the connections of use."""

from __future__ import annotations

import sqlite3

import pytest

from models.database import DatabaseDown
from models.engine.sqlite_errors import breaks_connections, error_name, outage

# The name: are the connections of no use any more.
NAMES = {
    "SQLITE_BUSY": False,
    "SQLITE_BUSY_SNAPSHOT": False,
    "SQLITE_LOCKED": False,
    "SQLITE_FULL": False,
    "SQLITE_ERROR": False,
    "SQLITE_NOMEM": False,
    "SQLITE_READONLY": True,
    "SQLITE_READONLY_DBMOVED": True,
    "SQLITE_IOERR": True,
    "SQLITE_IOERR_WRITE": True,
    "SQLITE_CANTOPEN": True,
    "SQLITE_CORRUPT": True,
    "SQLITE_NOTADB": True,
}


@pytest.mark.parametrize("kind", [sqlite3.OperationalError, sqlite3.DatabaseError])
@pytest.mark.parametrize("name", NAMES)
def test_an_outage(kind: type[sqlite3.Error], name: str) -> None:
    error = kind("CANARY")
    error.sqlite_errorname = name
    down = outage(error)
    assert down is not None
    # The message may contain names and values.
    assert (down.reason, down.in_doubt) == (name, False)
    assert breaks_connections(error) == breaks_connections(down) == NAMES[name]


@pytest.mark.parametrize("kind", [sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, ValueError])
def test_a_mistake_in_a_statement_or_its_values(kind: type[Exception]) -> None:
    assert outage(kind("x")) is None
    assert not breaks_connections(kind("x"))


def test_an_error_of_the_module_itself_has_no_name_of_sqlite() -> None:
    down = outage(sqlite3.OperationalError("Could not decode to UTF-8"))
    assert down is not None
    assert down.reason == error_name(sqlite3.OperationalError()) == "OperationalError"


def test_the_reason_of_an_outage_decides() -> None:
    assert breaks_connections(DatabaseDown("SQLITE_IOERR_FSYNC", in_doubt=True))
    assert not breaks_connections(DatabaseDown("closed"))
