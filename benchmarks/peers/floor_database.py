"""The floor's statements: prepared once, and passed directly to the driver.

SQLite is called in the event loop's thread, which then waits for the disk: this needs the least CPU time. Requests
share a COMMIT, as Tendon's do, unless COMMITS is `each`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from benchmarks.peers.floor_commits import Alone, Commits, Rows, Together
from benchmarks.peers.work import WORK

# The driver has no types.
_connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]

Values = tuple[Any, ...]
Row = Sequence[Any]


class Sqlite:
    def __init__(self, commits: Commits) -> None:
        self._session = sqlite3.connect(WORK.database, isolation_level=None, timeout=10)
        self._session.execute("PRAGMA synchronous = FULL")
        self._commits = commits

    async def rows(self, name: str, *values: Any) -> Rows:
        return self._execute(name, values)

    def claim(self, *values: Any) -> Awaitable[Rows]:
        return self._commits.run(self._session, lambda: self._execute("claim", values))

    async def begin(self, request: Values, audit: Values) -> None:
        """Store the authorization request."""

        def write() -> Rows:
            self._execute("remember", request)
            self._execute("audit", audit)
            return self._execute("named", (audit[1], request[1]))

        await self._commits.run(self._session, write)

    async def store(self, connection: Values, request: Values, audit: Values) -> Row:
        """Store the connection. `request` is the state's hash, the claim's owner and the seconds to keep the row."""

        def write() -> Rows:
            stored = self._execute("upsert", connection)
            key, owner, remembered = request
            assert self._execute("finish", (key, owner, stored[0][0], remembered))
            self._execute("audit", audit)
            return stored

        return (await self._commits.run(self._session, write))[0]

    def _execute(self, name: str, values: Values) -> Rows:
        return self._session.execute(WORK.statements[name], values).fetchall()

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

    def claim(self, *values: Any) -> Awaitable[Rows]:
        return self.rows("claim", *values)

    async def rows(self, name: str, *values: Any) -> Rows:
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
        return Sqlite(Alone() if os.environ.get("COMMITS") == "each" else Together())
    database = Postgres()
    await database.open()
    return database
