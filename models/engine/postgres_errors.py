"""Classifies the exceptions of asyncpg: whether the database is down, whether the statement may have taken effect, and
whether the connection can still be used."""

from __future__ import annotations

import ssl
from typing import Final

import asyncpg
from asyncpg.exceptions import ClientConfigurationError, InternalClientError, InvalidCachedStatementError

from models.engine.errors import DatabaseDown, Violation
from models.engine.tls import CERTIFICATE_REFUSED, TLS_REFUSED

# https://www.postgresql.org/docs/current/errcodes-appendix.html: connection, transaction state (25006 is a read-only
# server), prepared statement name, authorization, catalog name, resources, operator intervention, system.
_DOWN_CLASSES: Final = frozenset({"08", "25", "26", "28", "3D", "53", "57", "58"})
# Serialization failure, deadlock, missing privilege, undefined column and table, a prepared statement left over by a
# pooler, lock not available.
_DOWN_CODES: Final = frozenset({"40001", "40P01", "42501", "42703", "42P01", "42P05", "55P03"})
# The server may have executed the statement before it shut down or the connection was lost.
_IN_DOUBT_CLASSES: Final = frozenset({"08", "57", "58"})
# A statement that the server cancelled, as statement_timeout does, is rolled back.
_QUERY_CANCELED: Final = "57014"
# Errors of the statement alone: unsupported features, values, constraints, conflicts, names and privileges, resources,
# limits, locks, errors that a function raises. After any other error the session is unusable: its server is read-only
# or shutting down, or a pooler has confused it with another.
_STATEMENT_CLASSES: Final = frozenset({"0A", "21", "22", "23", "27", "40", "42", "44", "53", "54", "55", "P0"})
_DUPLICATE_PREPARED_STATEMENT: Final = "42P05"
_TOO_MANY_CONNECTIONS: Final = "53300"
# PgBouncer's message, whose code is that of any other violation of the protocol.
_POOLER_IS_FULL: Final = "no more connections allowed"

CONNECTION_ERRORS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, InternalClientError)
"""The exceptions that asyncpg raises when a connection fails."""


def outage(error: BaseException) -> DatabaseDown | None:
    """The DatabaseDown for an exception that means that the database is unavailable. None for a violated constraint, an
    invalid statement or an invalid value: those are programming errors."""
    name = type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        code = str(error.sqlstate)
        # A prepared statement from before a migration. asyncpg has discarded it by now, so a retry succeeds.
        stale = isinstance(error, InvalidCachedStatementError)
        down = stale or code[:2] in _DOWN_CLASSES or code in _DOWN_CODES
        in_doubt = code[:2] in _IN_DOUBT_CLASSES and code != _QUERY_CANCELED
        return DatabaseDown(f"{name} {code}", in_doubt=in_doubt) if down else None
    # asyncpg raises subclasses of ValueError for invalid values. A failed certificate verification is one, too.
    if isinstance(error, ValueError) and not isinstance(error, ssl.SSLError):
        return None
    # asyncpg raises InternalClientError on a connection that the server closed between two statements.
    if isinstance(error, OSError | asyncpg.InterfaceError | InternalClientError):
        return DatabaseDown(name, in_doubt=True)
    return None


def translated(error: BaseException) -> DatabaseDown | Violation | None:
    """The exception that stands for one of asyncpg's from a statement, None if no other does."""
    if isinstance(error, asyncpg.NotNullViolationError | asyncpg.UniqueViolationError):
        return Violation(str(error.table_name), is_missing=isinstance(error, asyncpg.NotNullViolationError))
    return outage(error)


def outage_before_statement(error: BaseException) -> DatabaseDown | None:
    """The same for an exception from connecting or from waiting for a connection. `in_doubt` is always false, and every
    error of the server counts as an outage."""
    if isinstance(error, asyncpg.PostgresError):
        return DatabaseDown(f"{type(error).__name__} {error.sqlstate}")
    if isinstance(error, ClientConfigurationError):
        return DatabaseDown("ClientConfigurationError")
    if type(error) is ConnectionError and "rejected SSL upgrade" in str(error):
        return DatabaseDown(TLS_REFUSED)
    if isinstance(error, ssl.SSLCertVerificationError):
        return DatabaseDown(f"{CERTIFICATE_REFUSED}: {error.verify_message}")
    down = outage(error)
    return down and DatabaseDown(down.reason)


def breaks_connection(error: BaseException) -> bool:
    """Whether the connection must be closed after this error."""
    cause = error.__cause__ if isinstance(error, DatabaseDown) else error
    if isinstance(cause, asyncpg.PostgresError):
        code = str(cause.sqlstate)
        if code == _DUPLICATE_PREPARED_STATEMENT:
            return True
        return code[:2] not in _STATEMENT_CLASSES and code != _QUERY_CANCELED
    return cause is not None and outage(cause) is not None


def is_full(error: BaseException) -> bool:
    """Whether the server accepts no more connections, of anyone or of this role or database, or PgBouncer does not."""
    return isinstance(error, asyncpg.PostgresError) and (
        error.sqlstate == _TOO_MANY_CONNECTIONS or _POOLER_IS_FULL in str(error)
    )
