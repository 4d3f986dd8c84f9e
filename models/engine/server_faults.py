"""What a failure of PostgreSQL or of the line to it means: whether it is an outage, what may have been done all the
same, and whether the connection is of use any more."""

from __future__ import annotations

import ssl
from typing import Final

import asyncpg
from asyncpg.exceptions import ClientConfigurationError, InternalClientError, InvalidCachedStatementError

from models.engine.down import DatabaseDown
from models.engine.tls import CERTIFICATE_REFUSED, TLS_REFUSED

# Classes and codes of SQLSTATE: connection, transaction state (a read-only server is 25006), prepared statements,
# authorization, catalogue, resources, operator, system; serialization and deadlock, a missing privilege, column or
# table, a prepared statement left over by a pooler, a lock that is not available.
_DOWN_CLASSES: Final = frozenset({"08", "25", "26", "28", "3D", "53", "57", "58"})
_DOWN_CODES: Final = frozenset({"40001", "40P01", "42501", "42703", "42P01", "42P05", "55P03"})
# A server that is going down, or a connection that is gone, may have done what it was asked before.
_DOUBTFUL_CLASSES: Final = frozenset({"08", "57", "58"})
# By its time-out, a statement was undone.
_CANCELLED: Final = "57014"
# Errors of the statement alone: unsupported features, values, constraints, conflicts, names and privileges, resources,
# limits, locks, errors that a function raises. After any other error the session is unusable: its server is read-only
# or shutting down, or a pooler has confused it with another.
_STATEMENT_CLASSES: Final = frozenset({"0A", "21", "22", "23", "27", "40", "42", "44", "53", "54", "55", "P0"})
_DUPLICATE_STATEMENT: Final = "42P05"

BROKEN: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, InternalClientError)


def judge(fault: BaseException) -> DatabaseDown | None:
    """A broken constraint, a wrong statement or a value that does not fit is a fault of ours and no outage."""
    name = type(fault).__name__
    if isinstance(fault, asyncpg.PostgresError):
        code = str(fault.sqlstate)
        # A plan from before a migration: asyncpg has forgotten it by now.
        stale = isinstance(fault, InvalidCachedStatementError)
        down = stale or code[:2] in _DOWN_CLASSES or code in _DOWN_CODES
        in_doubt = code[:2] in _DOUBTFUL_CLASSES and code != _CANCELLED
        return DatabaseDown(f"{name} {code}", in_doubt=in_doubt) if down else None
    # asyncpg reports wrong values as subclasses of ValueError. A failed certificate verification is one, too.
    if isinstance(fault, ValueError) and not isinstance(fault, ssl.SSLError):
        return None
    # The last is what a connection says that the server ended between two statements.
    if isinstance(fault, OSError | asyncpg.InterfaceError | InternalClientError):
        return DatabaseDown(name, in_doubt=True)
    return None


def without_doubt(fault: BaseException) -> DatabaseDown | None:
    """Nothing was asked for yet, and whatever keeps us from a connection is an outage."""
    if isinstance(fault, asyncpg.PostgresError):
        return DatabaseDown(f"{type(fault).__name__} {fault.sqlstate}")
    if isinstance(fault, ClientConfigurationError):
        return DatabaseDown("ClientConfigurationError")
    if type(fault) is ConnectionError and "rejected SSL upgrade" in str(fault):
        return DatabaseDown(TLS_REFUSED)
    if isinstance(fault, ssl.SSLCertVerificationError):
        return DatabaseDown(f"{CERTIFICATE_REFUSED}: {fault.verify_message}")
    down = judge(fault)
    return down and DatabaseDown(down.reason)


def breaks_session(fault: BaseException | None) -> bool:
    """Whether the session must be closed after this error."""
    cause = fault.__cause__ if isinstance(fault, DatabaseDown) else fault
    if isinstance(cause, asyncpg.PostgresError):
        code = str(cause.sqlstate)
        return code == _DUPLICATE_STATEMENT or not (code[:2] in _STATEMENT_CLASSES or code == _CANCELLED)
    return cause is not None and judge(cause) is not None
