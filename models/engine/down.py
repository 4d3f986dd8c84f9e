"""The one error for a database that can't be used just now, whatever engine it is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager


class DatabaseDown(Exception):
    """It can't be reached, is locked, full, read-only, closing, not migrated, or took too long.

    `reason` is safe to log: the driver's name for what is wrong, such as SQLITE_BUSY, or the kind of its error and the
    SQLSTATE. `in_doubt` says that what was asked for may have been done all the same: the answer got lost.
    """

    def __init__(self, reason: str, *, in_doubt: bool = False) -> None:
        self.reason = reason
        self.in_doubt = in_doubt
        super().__init__(reason)


Judge = Callable[[BaseException], DatabaseDown | None]
"""Says whether an exception of a driver means that the database is down."""


@contextmanager
def told(judge: Judge) -> Generator[None]:
    """Raises DatabaseDown in place of what the driver raises for it."""
    try:
        yield
    except Exception as fault:
        down = judge(fault)
        if down is None:
            raise
        raise down from fault
