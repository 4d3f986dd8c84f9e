"""SQLite: a file, with one thread for writes and one for reads. The file is in WAL mode, so reads don't wait for
writes."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from time import monotonic
from typing import Final

from models.engine.errors import DatabaseDown, translated_errors
from models.engine.interface import WRITE_NOTHING, Database, Limits, Row, Script, Session, Values
from models.engine.sqlite_errors import breaks_connections, outage
from models.engine.sqlite_thread import LOCK_INTERVAL, SqliteThread, begin, commit, run_script
from models.engine.url import SqliteUrl

# Minimum free space, in bytes, for the database to count as writable: a few hundred pages of the write-ahead log.
_FREE_SPACE: Final = 1_000_000
# Seconds that a script may wait if `Limits.seconds` is None.
_DEFAULT: Final = 60.0
_PRAGMAS: Final = {"journal_mode": "WAL", "journal_size_limit": 16384, "foreign_keys": "ON"}


class SqliteDatabase(Database):
    """Opens the file on first use."""

    dialect = "sqlite"

    def __init__(self, url: SqliteUrl, limits: Limits) -> None:
        self._path = url.path
        self._seconds = limits.seconds or _DEFAULT
        self._lock_timeout = float("inf") if limits.seconds is None else limits.seconds
        self._reader, self._writer = self._threads()

    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        thread = self._writer if script.writes else self._reader
        try:
            return await thread.run(script, values)
        except (DatabaseDown, sqlite3.Error) as error:
            if breaks_connections(error) and thread in (self._reader, self._writer):
                await self._reconnect()
            raise

    async def check_writable(self) -> None:
        """Raises SQLITE_FULL also when there is little space left on the disk."""
        await self.run(WRITE_NOTHING, {})
        disk = os.statvfs(self._path)
        if disk.f_bavail * disk.f_frsize < _FREE_SPACE:
            raise DatabaseDown("SQLITE_FULL")

    @asynccontextmanager
    async def exclusively(
        self,
        lock: int,  # noqa: ARG002 - SQLite has only one writer at a time anyway
        on_wait: Callable[[], object] | None = None,
    ) -> AsyncGenerator[Session]:
        """Runs in the event loop's thread: this is rare, and a statement takes no longer than switching threads
        would."""
        try:
            with translated_errors(outage), closing(self._connect()) as connection:
                await self._begin(connection, on_wait)
                yield SqliteTransaction(connection)
                commit(connection)
        except DatabaseDown as error:
            if breaks_connections(error):
                await self._reconnect()
            raise

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()

    def _threads(self) -> tuple[SqliteThread, SqliteThread]:
        reader = SqliteThread(partial(self._connect, self._seconds), self._seconds, writes=False)
        return reader, SqliteThread(self._connect, self._seconds, writes=True)

    async def _reconnect(self) -> None:
        """Closes all connections, because SQLite shares its state of a file among the connections of a process."""
        threads = self._reader, self._writer
        self._reader, self._writer = self._threads()
        for thread in threads:
            await thread.close()

    def _connect(self, busy_timeout: float = 0) -> sqlite3.Connection:
        """`busy_timeout` is how many seconds a statement waits for the locks of other processes."""
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        for pragma, value in _PRAGMAS.items():
            connection.execute(f"PRAGMA {pragma}={value}")
        connection.execute(f"PRAGMA busy_timeout={int(busy_timeout * 1000)}")
        return connection

    async def _begin(self, connection: sqlite3.Connection, on_wait: Callable[[], object] | None) -> None:
        deadline = monotonic() + self._lock_timeout
        while not begin(connection):
            if monotonic() >= deadline:
                raise DatabaseDown("SQLITE_BUSY")
            if on_wait:
                on_wait()
                on_wait = None
            await asyncio.sleep(random.uniform(*LOCK_INTERVAL))  # noqa: S311 - no secret


class SqliteTransaction(Session):
    """The open transaction of a connection."""

    dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        # Lets other tasks run between two statements.
        await asyncio.sleep(0)
        with translated_errors(outage):
            return run_script(self.connection, script, values)
