"""SQLite: one file in WAL mode, so that reads don't wait for writes. One thread writes and one reads, and each runs the
scripts of all tasks."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Final

from models.engine.digest import digest
from models.engine.errors import DatabaseDown, translated_errors
from models.engine.interface import WRITE_NOTHING, Database, Limits, Row, Script, Session, Values
from models.engine.sqlite_errors import breaks_connections, outage, translated
from models.engine.sqlite_scripts import (
    LOCK_INTERVAL,
    Clock,
    Outcome,
    Request,
    begin,
    commit,
    run_reads,
    run_script,
    run_writes,
)
from models.engine.url import SqliteUrl

# Minimum free space, in bytes, for the database to count as writable: a few hundred pages of the write-ahead log.
_FREE_SPACE: Final = 1_000_000
# Seconds that a script may wait if `Limits.seconds` is None.
_DEFAULT: Final = 60.0
# How many scripts share a COMMIT at most: the first of them waits for the last.
_BATCH: Final = 64
# What is deleted is overwritten, which many builds of SQLite do by default.
_PRAGMAS: Final = {"journal_mode": "WAL", "journal_size_limit": 16384, "foreign_keys": "ON", "secure_delete": "ON"}


class SqliteDatabase(Database):
    """Opens the file on first use."""

    dialect = "sqlite"

    def __init__(self, url: SqliteUrl, limits: Limits, *, clock: Clock = monotonic) -> None:
        self._path = url.path
        self._clock = clock
        self._seconds = limits.seconds or _DEFAULT
        self._lock_timeout = float("inf") if limits.seconds is None else limits.seconds
        self._reader, self._writer = self._threads()
        self._reconnecting: asyncio.Task[None] | None = None

    def run(self, script: Script, values: Values) -> Awaitable[Sequence[Row]]:
        return (self._writer if script.writes else self._reader).run(script, values)

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
                # The connections are closed even if this task is cancelled.
                await asyncio.shield(self._reconnect())
            raise

    async def purge(self, *, rebuild: bool = False) -> bool:
        """A read of another process that takes long keeps the log from being emptied."""
        with translated_errors(outage):
            return await asyncio.to_thread(self._purge, rebuild=rebuild)

    async def close(self) -> None:
        if self._reconnecting is not None:
            await self._reconnecting
        await self._writer.close()
        await self._reader.close()

    def _purge(self, *, rebuild: bool) -> bool:
        with closing(self._connect(self._seconds)) as connection:
            if rebuild:
                connection.execute("VACUUM")
            is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not is_busy

    def _threads(self) -> tuple[_Thread, _Thread]:
        reader = _Thread(partial(self._connect, self._seconds), self._fail, self._seconds, self._clock, writes=False)
        return reader, _Thread(self._connect, self._fail, self._seconds, self._clock, writes=True)

    def _fail(self, thread: _Thread, future: asyncio.Future[Sequence[Row]], error: Exception) -> None:
        """Raises the error in the task that waits: after an error that breaks the connections, once they are closed."""
        if breaks_connections(error):
            if thread in (self._reader, self._writer):
                self._reconnect()
            if self._reconnecting is not None:
                self._reconnecting.add_done_callback(lambda _: future.done() or future.set_exception(error))
                return
        future.set_exception(error)

    def _reconnect(self) -> asyncio.Task[None]:
        """Replaces all connections, because SQLite shares its state of a file among the connections of a process. The
        task ends when those of before are closed."""
        threads = self._reader, self._writer
        self._reader, self._writer = self._threads()
        self._reconnecting = asyncio.create_task(_close(threads, after=self._reconnecting))
        return self._reconnecting

    def _connect(self, busy_timeout: float = 0) -> sqlite3.Connection:
        """`busy_timeout` is how many seconds a statement waits for the locks of other processes."""
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        for pragma, value in _PRAGMAS.items():
            connection.execute(f"PRAGMA {pragma}={value}")
        connection.execute(f"PRAGMA busy_timeout={int(busy_timeout * 1000)}")
        connection.create_function("digest", -1, digest, deterministic=True)
        return connection

    async def _begin(self, connection: sqlite3.Connection, on_wait: Callable[[], object] | None) -> None:
        deadline = self._clock() + self._lock_timeout
        while not begin(connection):
            if self._clock() >= deadline:
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
        with translated_errors(translated):
            return run_script(self.connection, script, values)


class _Thread:
    """A thread with a connection of its own, which connects on first use. Scripts that wait at the same time run in one
    go.

    `fail` raises an error in the task that waits for the future. `seconds` bounds the wait in the queue, and the wait
    for a lock held by another process. A script whose task was cancelled before its turn is not run. A task continues
    once its write is committed.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        fail: Callable[[_Thread, asyncio.Future[Sequence[Row]], Exception], None],
        seconds: float,
        clock: Clock,
        *,
        writes: bool,
    ) -> None:
        self._connect = connect
        self._fail = fail
        self._seconds = seconds
        self._clock = clock
        self._writes = writes
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False

    def run(self, script: Script, values: Values) -> asyncio.Future[Sequence[Row]]:
        """The future raises DatabaseDown, and sqlite3's exception for a mistake in the statement or its values."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Row]] = loop.create_future()
        if self._closed:
            future.set_exception(DatabaseDown("closed"))
            return future
        if self._thread is None:
            # A daemon, so that it can't hold up a process that exits in a hurry. The file survives that.
            self._thread = Thread(target=self._serve, args=(loop,), name="sqlite", daemon=True)
            self._thread.start()
        self._requests.put(Request(script, values, future, self._clock()))
        return future

    async def close(self) -> None:
        """Runs first what was requested before."""
        self._closed = True
        if self._thread is not None:
            self._requests.put(None)
            await asyncio.to_thread(self._thread.join)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        connection: sqlite3.Connection | None = None
        while batch := self._next_batch():
            outcomes: Sequence[Outcome]
            try:
                connection = connection or self._connect()
                outcomes = self._run_batch(connection, batch)
            except Exception as error:  # noqa: BLE001 - raised in the tasks; the thread goes on
                outcomes = [error] * len(batch)
            # If the loop is closed, no task waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._deliver, batch, outcomes)
        if connection:
            # Closing checkpoints the write-ahead log, which may fail.
            with suppress(sqlite3.Error):
                connection.close()

    def _next_batch(self) -> list[Request]:
        """Waits for a request, and takes the others that wait by then. Empty when the thread is to end."""
        batch: list[Request] = []
        # Only this thread takes requests from the queue, so one that isn't empty has a request for it.
        while len(batch) < _BATCH and not (batch and self._requests.empty()):
            request = self._requests.get()
            if request is None:
                # For the next call, which then finds nothing else.
                self._requests.put(None)
                break
            if not request.future.cancelled():
                batch.append(request)
        return batch

    def _run_batch(self, connection: sqlite3.Connection, batch: list[Request]) -> Sequence[Outcome]:
        if not self._writes:
            return run_reads(connection, batch)
        deadline = min(self._clock() + self._seconds, batch[-1].since + 2 * self._seconds)
        return run_writes(connection, batch, deadline, self._clock)

    def _deliver(self, batch: list[Request], outcomes: Sequence[Outcome]) -> None:
        """Runs in the event loop."""
        for request, outcome in zip(batch, outcomes, strict=True):
            if request.future.done():
                continue
            if isinstance(outcome, Exception):
                self._fail(self, request.future, _for_one_task(outcome))
            else:
                request.future.set_result(outcome)


async def _close(threads: Sequence[_Thread], *, after: asyncio.Task[None] | None) -> None:
    if after is not None:
        await after
    for thread in threads:
        await thread.close()


def _for_one_task(error: Exception) -> Exception:
    """An exception of its own for each task, since raising adds a traceback to it."""
    if isinstance(error, DatabaseDown):
        return DatabaseDown(error.reason, in_doubt=error.in_doubt)
    return translated(error) or error
