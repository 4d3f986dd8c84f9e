"""DatabaseDown, the error of both engines for a database that is unavailable."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

SHARED_SESSIONS: Final = (
    "SharedSessions: a pooler gives each transaction another session, so prepared statements and time-outs don't hold"
)
"""A reason of DatabaseDown."""


class DatabaseDown(Exception):
    """The database can't be reached, is locked, full, read-only, closed or not migrated, or took too long.

    `reason` is safe to log: the driver's name for the error, such as SQLITE_BUSY, or its exception class and the
    SQLSTATE. `in_doubt` means that the statement may have taken effect although no answer arrived.
    """

    def __init__(self, reason: str, *, in_doubt: bool = False) -> None:
        self.reason = reason
        self.in_doubt = in_doubt
        super().__init__(reason)


@contextmanager
def translated_errors(outage: Callable[[BaseException], DatabaseDown | None]) -> Generator[None]:
    """Replaces each exception of the driver for which `outage` returns a DatabaseDown by that one."""
    try:
        yield
    except Exception as error:
        down = outage(error)
        if down is None:
            raise
        raise down from error
