"""The errors of both engines: DatabaseDown for a database that is unavailable, and Violation of a constraint."""

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


class Violation(Exception):
    """A statement breaks a constraint of `table`, so that nothing of its script took effect.

    `is_missing` says that a column would be null which must not be; else a key would be there twice. The driver's own
    message may contain values, so it is left out.
    """

    def __init__(self, table: str, *, is_missing: bool) -> None:
        self.table = table
        self.is_missing = is_missing
        super().__init__(f"{'NOT NULL' if is_missing else 'UNIQUE'} of {table}")


@contextmanager
def translated_errors(translated: Callable[[BaseException], DatabaseDown | Violation | None]) -> Generator[None]:
    """Replaces each exception of the driver for which `translated` returns another one by that one."""
    try:
        yield
    except Exception as error:
        ours = translated(error)
        if ours is None:
            raise
        raise ours from error
