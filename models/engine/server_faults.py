"""What a failure of PostgreSQL or of the line to it means: whether it is an outage, what may have been done all the
same, and whether the connection is of use any more."""

from __future__ import annotations

from typing import Final

import asyncpg
from asyncpg.exceptions import ClientConfigurationError, InternalClientError, InvalidCachedStatementError

from models.engine.down import DatabaseDown

# Classes and codes of SQLSTATE: connection, authorization, catalogue, resources, operator, system; a standby, a
# transaction the server ended, a lock not to be had, a right that is missing, a table that is not there.
_DOWN_CLASSES: Final = frozenset({"08", "28", "3D", "53", "57", "58"})
_DOWN_CODES: Final = frozenset({"25006", "25P03", "40001", "40P01", "42501", "42703", "42P01", "55P03"})
# A server that is going down, or a connection that is gone, may have done what it was asked before.
_DOUBTFUL_CLASSES: Final = frozenset({"08", "57", "58"})
# By its time-out, a statement was undone.
_CANCELLED: Final = "57014"

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
    # The last is what a connection says that the server ended between two statements.
    if isinstance(fault, OSError | asyncpg.InterfaceError | InternalClientError) and not isinstance(fault, ValueError):
        return DatabaseDown(name, in_doubt=True)
    return None


def without_doubt(fault: BaseException) -> DatabaseDown | None:
    """Nothing was asked for yet, and whatever keeps us from a connection is an outage."""
    if isinstance(fault, asyncpg.PostgresError):
        return DatabaseDown(f"{type(fault).__name__} {fault.sqlstate}")
    if isinstance(fault, ClientConfigurationError):
        return DatabaseDown("ClientConfigurationError: sslmode needs a certificate that is not there")
    down = judge(fault)
    return down and DatabaseDown(down.reason)


def breaks(fault: BaseException | None) -> bool:
    """Whether it leaves a connection that answers no more: it would only be waited for."""
    down = fault if isinstance(fault, DatabaseDown) else fault and judge(fault)
    return bool(down and down.in_doubt)
