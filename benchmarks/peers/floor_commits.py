"""How the floor commits its writes to SQLite: together, as Tendon does, or each on its own.

Both run in the event loop's thread, which then waits for the disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

Row = Sequence[Any]
Rows = Sequence[Row]
Write = Callable[[], Rows]
"""Runs its statements, in a transaction that is open, and returns the rows of the last one."""


class Commits(ABC):
    @abstractmethod
    def run(self, session: sqlite3.Connection, write: Write) -> Awaitable[Rows]:
        """What `write` returns, once it is committed."""


class Alone(Commits):
    """One COMMIT for each write."""

    async def run(self, session: sqlite3.Connection, write: Write) -> Rows:
        with _transaction(session):
            return write()


class Together(Commits):
    """One COMMIT for all writes that are requested in the same turn of the event loop: while one group waits for the
    disk, the requests for the next one arrive. If one of a group fails, all of it does."""

    def __init__(self) -> None:
        self._group: list[tuple[Write, asyncio.Future[Rows]]] = []

    def run(self, session: sqlite3.Connection, write: Write) -> Awaitable[Rows]:
        loop = asyncio.get_running_loop()
        if not self._group:
            loop.call_soon(self._commit, session)
        done: asyncio.Future[Rows] = loop.create_future()
        self._group.append((write, done))
        return done

    def _commit(self, session: sqlite3.Connection) -> None:
        group, self._group = self._group, []
        try:
            with _transaction(session):
                found = [write() for write, _ in group]
        except Exception as error:  # noqa: BLE001 - raised in the tasks that wait
            for _, done in group:
                done.set_exception(error)
            return
        for (_, done), rows in zip(group, found, strict=True):
            done.set_result(rows)


@contextmanager
def _transaction(session: sqlite3.Connection) -> Generator[None]:
    session.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        session.rollback()
        raise
    session.execute("COMMIT")
