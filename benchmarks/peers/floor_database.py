"""The floor's statements: prepared once, and passed directly to the driver.

SQLite is called in the event loop's thread, which then waits for the disk: this needs the least CPU time. Requests
share a COMMIT, as Tendon's do, unless COMMITS is `each`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Awaitable
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from benchmarks.peers.floor_commits import Alone, Commits, Rows, Together
from benchmarks.peers.work import WORK

# The driver has no types.
_connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]


class Sqlite:
    def __init__(self, commits: Commits) -> None:
        self._session = sqlite3.connect(WORK.database, isolation_level=None, timeout=10)
        self._session.execute("PRAGMA synchronous = FULL")
        self._commits = commits

    async def listed(self, user: str) -> Rows:
        return _with_shown_times(self._execute("list", user))

    def claim(self, *values: Any) -> Awaitable[Rows]:
        return self._commits.run(self._session, lambda: self._execute("claim", *values))

    def begin(self, *values: Any) -> Awaitable[Rows]:
        """Store the authorization request. The values are those of PostgreSQL's statement."""
        *request, pseudonym, number = values
        _, user, provider, _, _, scopes, _, _ = request

        def write() -> Rows:
            self._execute("remember", *request)
            self._execute("audit", pseudonym, "authorize", provider, None, scopes, number)
            return self._execute("named", pseudonym, user)

        return self._commits.run(self._session, write)

    def store(self, *values: Any) -> Awaitable[Rows]:
        """Store the connection. The values are those of PostgreSQL's statement."""
        *connection, pseudonym, number = values
        key, _, _, granted, *_ = connection

        def write() -> Rows:
            stored = self._execute("upsert", *connection)
            identity, _, provider, *_ = stored[0]
            self._execute("end", key, identity)
            self._execute("audit", pseudonym, "complete", provider, identity, granted, number)
            return _with_shown_times(stored)

        return self._commits.run(self._session, write)

    def _execute(self, name: str, *values: Any) -> Rows:
        return self._session.execute(WORK.statements[name], values).fetchall()


def _with_shown_times(rows: Rows) -> Rows:
    """The times as responses have them. In SQL this would take longer."""
    return [
        (
            identity,
            user,
            slug,
            status,
            synced and f"{synced[:10]}T{synced[11:23]}Z",
            f"{created[:10]}T{created[11:23]}Z",
        )
        for identity, user, slug, status, synced, created in rows
    ]


class _Session:
    """A connection to PostgreSQL with its prepared statements. It calls asyncpg's protocol itself, as asyncpg's own
    prepared statements do, which look for misuse first."""

    def __init__(self, connection: Any, prepared: dict[str, Any]) -> None:
        self._connection = connection
        self._run = connection._protocol.bind_execute  # noqa: SLF001 - the version is pinned
        self._states = {name: statement._state for name, statement in prepared.items()}  # noqa: SLF001 - the same

    def fetch(self, name: str, values: tuple[Any, ...]) -> Awaitable[Rows]:
        return self._run(self._states[name], values, "", 0, False, None)


class Postgres:
    """As many connections as Tendon's pool has, the most recently used first."""

    def __init__(self) -> None:
        self._idle: list[_Session] = []
        self._waiting: deque[asyncio.Future[_Session]] = deque()

    async def open(self) -> None:
        for _ in range(WORK.pool):
            connection = await _connect(WORK.database)
            prepared = {name: await connection.prepare(text) for name, text in WORK.statements.items()}
            self._idle.append(_Session(connection, prepared))

    def listed(self, user: str) -> Awaitable[Rows]:
        return self._rows("list", user)

    def claim(self, *values: Any) -> Awaitable[Rows]:
        return self._rows("claim", *values)

    def begin(self, *values: Any) -> Awaitable[Rows]:
        """Store the authorization request."""
        return self._rows("begin", *values)

    def store(self, *values: Any) -> Awaitable[Rows]:
        """Store the connection."""
        return self._rows("store", *values)

    async def _rows(self, name: str, *values: Any) -> Rows:
        session = self._idle.pop() if self._idle else await self._next()
        try:
            return await session.fetch(name, values)
        finally:
            if self._waiting:
                self._waiting.popleft().set_result(session)
            else:
                self._idle.append(session)

    def _next(self) -> asyncio.Future[_Session]:
        future: asyncio.Future[_Session] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future


async def opened() -> Sqlite | Postgres:
    if WORK.engine == "sqlite":
        return Sqlite(Alone() if os.environ.get("COMMITS") == "each" else Together())
    database = Postgres()
    await database.open()
    return database
