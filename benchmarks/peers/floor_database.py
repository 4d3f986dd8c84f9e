"""The floor's statements: prepared once, sent to the driver without anything in between.

SQLite is called in the event loop's own thread, which waits for the disk meanwhile: nothing costs less CPU.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from benchmarks.peers.work import WORK

# The driver has no types.
_connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]

Values = tuple[Any, ...]
Row = Sequence[Any]
Write = tuple[str, Values | Callable[[Row], Values]]
"""A statement's name and its values, which may be made from the row of the first write."""


class Sqlite:
    def __init__(self) -> None:
        self._session = sqlite3.connect(WORK.database, isolation_level=None, timeout=10)
        self._session.execute("PRAGMA synchronous = FULL")

    async def rows(self, name: str, *values: Any) -> list[Row]:
        return self._session.execute(WORK.statements[name], values).fetchall()

    async def all_or_nothing(self, *writes: Write) -> list[Row]:
        """The first row of each write."""
        self._session.execute("BEGIN IMMEDIATE")
        try:
            rows: list[Row] = []
            for name, values in writes:
                given = values(rows[0]) if callable(values) else values
                rows.append(self._session.execute(WORK.statements[name], given).fetchone())
        except BaseException:
            self._session.rollback()
            raise
        self._session.execute("COMMIT")
        return rows

    @staticmethod
    def moment(value: datetime) -> str:
        return value.isoformat(" ", "microseconds")


class Postgres:
    """As many connections as Tendon's pool has, the last used first."""

    def __init__(self) -> None:
        self._free: asyncio.LifoQueue[tuple[Any, dict[str, Any]]] = asyncio.LifoQueue()

    async def open(self) -> None:
        for _ in range(WORK.pool):
            session = await _connect(WORK.database)
            prepared: dict[str, Any] = {name: await session.prepare(WORK.statements[name]) for name in WORK.statements}
            self._free.put_nowait((session, prepared))

    async def rows(self, name: str, *values: Any) -> list[Row]:
        held = await self._free.get()
        try:
            return await held[1][name].fetch(*values)
        finally:
            self._free.put_nowait(held)

    async def all_or_nothing(self, *writes: Write) -> list[Row]:
        """The first row of each write."""
        held = await self._free.get()
        session, prepared = held
        try:
            await session.execute("BEGIN")
            rows: list[Row] = []
            for name, values in writes:
                rows.append(await prepared[name].fetchrow(*(values(rows[0]) if callable(values) else values)))
            await session.execute("COMMIT")
        except BaseException:
            await session.execute("ROLLBACK")
            raise
        finally:
            self._free.put_nowait(held)
        return rows

    @staticmethod
    def moment(value: datetime) -> datetime:
        return value


async def opened() -> Sqlite | Postgres:
    if WORK.engine == "sqlite":
        return Sqlite()
    database = Postgres()
    await database.open()
    return database
