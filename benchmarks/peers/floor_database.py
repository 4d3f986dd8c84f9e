"""The floor's statements: prepared once, and passed directly to the driver.

SQLite is called in the event loop's thread, which then waits for the disk: this needs the least CPU time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from benchmarks.peers.work import WORK

# The driver has no types.
_connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]

Values = tuple[Any, ...]
Row = Sequence[Any]


class Sqlite:
    def __init__(self) -> None:
        self._session = sqlite3.connect(WORK.database, isolation_level=None, timeout=10)
        self._session.execute("PRAGMA synchronous = FULL")

    async def rows(self, name: str, *values: Any) -> list[Row]:
        return self._session.execute(WORK.statements[name], values).fetchall()

    async def begin(self, request: Values, audit: Values) -> None:
        """Store the authorization request."""
        with self._transaction() as write:
            write("remember", request)
            write("audit", audit)
            write("named", (audit[1], request[1]))

    async def store(self, connection: Values, request: Values, audit: Values) -> Row:
        """Store the connection. `request` is the state's hash, the claim's owner and the seconds to keep the row."""
        with self._transaction() as write:
            stored = write("upsert", connection)
            key, owner, remembered = request
            assert write("finish", (key, owner, stored[0], remembered))
            write("audit", audit)
        return stored

    @contextmanager
    def _transaction(self) -> Generator[Callable[[str, Values], Row]]:
        self._session.execute("BEGIN IMMEDIATE")
        try:
            yield lambda name, values: self._session.execute(WORK.statements[name], values).fetchone()
        except BaseException:
            self._session.rollback()
            raise
        self._session.execute("COMMIT")

    @staticmethod
    def moment(value: datetime) -> str:
        return value.isoformat(" ", "microseconds")


class Postgres:
    """As many connections as Tendon's pool has, the most recently used first."""

    def __init__(self) -> None:
        self._free: asyncio.LifoQueue[dict[str, Any]] = asyncio.LifoQueue()

    async def open(self) -> None:
        for _ in range(WORK.pool):
            session = await _connect(WORK.database)
            self._free.put_nowait({name: await session.prepare(text) for name, text in WORK.statements.items()})

    async def rows(self, name: str, *values: Any) -> list[Row]:
        prepared = await self._free.get()
        try:
            return await prepared[name].fetch(*values)
        finally:
            self._free.put_nowait(prepared)

    async def begin(self, request: Values, audit: Values) -> None:
        """Store the authorization request."""
        at, pseudonym, _, _, _, number = audit
        await self.rows("begin", *request, at, number, pseudonym)

    async def store(self, connection: Values, request: Values, audit: Values) -> Row:
        """Store the connection. `request` is the state's hash, the claim's owner and the seconds to keep the row."""
        return (await self.rows("store", *connection, *request, audit[-1], audit[1]))[0]

    @staticmethod
    def moment(value: datetime) -> datetime:
        return value


async def opened() -> Sqlite | Postgres:
    if WORK.engine == "sqlite":
        return Sqlite()
    database = Postgres()
    await database.open()
    return database
