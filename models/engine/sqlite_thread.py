"""A thread with its own connection to an SQLite file, which runs the scripts of all tasks of a process.

Scripts that are waiting at the same time run as one batch, and writes in a batch share a transaction (group commit):
the COMMIT waits for the disk once, and no longer for sixty scripts than for one.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, sleep
from typing import Any, Final

from models.engine.errors import DatabaseDown
from models.engine.interface import Row, Script, Values
from models.engine.sqlite_errors import error_name, outage

# Maximum number of scripts in a batch. The first of them waits for the last.
_BATCH: Final = 64
# Seconds between two attempts to lock the file, which may be free only for a moment between two transactions of another
# process. SQLite's own busy handler slows down to ten attempts a second, so that busy processes starve each other.
LOCK_INTERVAL: Final = (0.0005, 0.004)

_Outcome = Sequence[Row] | Exception


class _Request:
    """A script, and the future through which its task gets the rows."""

    __slots__ = ("future", "script", "since", "values")

    def __init__(self, script: Script, values: Values, future: asyncio.Future[Sequence[Row]]) -> None:
        self.script = script
        self.values = values
        self.future = future
        self.since = monotonic()


class SqliteThread:
    """Connects on first use. `seconds` limits the wait in the queue, and the wait for a lock that another process
    holds.

    A script whose task was cancelled before its turn is not run. A task continues once its write is committed.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], seconds: float, *, writes: bool) -> None:
        self._connect = connect
        self._seconds = seconds
        self._run_batch = self._write if writes else _read
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False

    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        """Raises DatabaseDown, and sqlite3's exception for a mistake in the statement or its values."""
        if self._closed:
            raise DatabaseDown("closed")
        loop = asyncio.get_running_loop()
        if self._thread is None:
            # A daemon thread doesn't delay the exit of the process. SQLite recovers from being interrupted.
            self._thread = Thread(target=self._serve, args=(loop,), name="sqlite", daemon=True)
            self._thread.start()
        future: asyncio.Future[Sequence[Row]] = loop.create_future()
        self._requests.put(_Request(script, values, future))
        return await future

    async def close(self) -> None:
        """Ends the thread after it has run the scripts that are already in the queue."""
        self._closed = True
        if self._thread is not None:
            self._requests.put(None)
            await asyncio.to_thread(self._thread.join)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        connection: sqlite3.Connection | None = None
        while batch := self._next_batch():
            outcomes: Sequence[_Outcome]
            try:
                connection = connection or self._connect()
                outcomes = self._run_batch(connection, batch)
            except Exception as error:  # noqa: BLE001 - raised in the tasks; the thread goes on
                outcomes = [error] * len(batch)
            # If the loop is closed, no task is waiting any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_deliver, batch, outcomes)
        if connection:
            # Closing checkpoints the write-ahead log, which may fail.
            with suppress(sqlite3.Error):
                connection.close()

    def _next_batch(self) -> list[_Request]:
        """Waits for a request, and takes the others that are in the queue by then. Empty when the thread should end."""
        batch: list[_Request] = []
        while len(batch) < _BATCH:
            try:
                request = self._requests.get(block=not batch)
            except Empty:
                break
            if request is None:
                # Put back for the next call, which ends the thread.
                self._requests.put(None)
                break
            if not request.future.cancelled():
                batch.append(request)
        return batch

    def _write(self, connection: sqlite3.Connection, batch: list[_Request]) -> Sequence[_Outcome]:
        now = monotonic()
        deadline = min(now + self._seconds, batch[-1].since + 2 * self._seconds)
        outcomes = _run_together(connection, batch, deadline)
        if outcomes is None:
            # One of them failed. Run each in a transaction of its own, so that the others succeed.
            return [outcome for request in batch for outcome in _run_together(connection, [request], deadline) or ()]
        return outcomes


def run_script(connection: sqlite3.Connection, script: Script, values: Values) -> Sequence[Row]:
    """Runs in the open transaction, if there is one. After an error, that transaction is still open and contains the
    steps that succeeded."""
    first, *others = script.steps
    cursor = connection.execute(first.text, _parameters(first.names, values))
    rows = cursor.fetchall()
    if others and rows:
        columns = [column[0] for column in cursor.description]
        done = {f"done.{column}": value for column, value in zip(columns, rows[0], strict=True)}
        known = {**values, **done}
        for step in others:
            if step.condition is None or known[step.condition]:
                connection.execute(step.text, _parameters(step.names, known)).close()
    return rows


def _parameters(names: tuple[str, ...], values: Values) -> list[Any]:
    """SQLite has no type for timestamps, so the tables contain them as text, in UTC."""
    ordered = [values[name] for name in names]
    return [str(value.astimezone(UTC)) if isinstance(value, datetime) else value for value in ordered]


def _read(connection: sqlite3.Connection, batch: list[_Request]) -> Sequence[_Outcome]:
    outcomes: list[_Outcome] = []
    for request in batch:
        try:
            outcomes.append(run_script(connection, request.script, request.values))
        except Exception as error:  # noqa: BLE001 - raised in its task
            outcomes.append(error)
    return outcomes


def _run_together(connection: sqlite3.Connection, batch: list[_Request], deadline: float) -> Sequence[_Outcome] | None:
    """Runs the batch in one transaction. None if one of several scripts failed, so that none took effect."""
    try:
        _begin_before(connection, deadline)
    except (DatabaseDown, sqlite3.Error) as error:
        return [error] * len(batch)
    try:
        outcomes = [run_script(connection, request.script, request.values) for request in batch]
    except Exception as error:  # noqa: BLE001 - raised in its task
        # If SQLite itself has rolled back, disk or memory is the cause, and the other scripts would fail as well.
        rolled_back = not connection.in_transaction
        _roll_back(connection)
        return [error] * len(batch) if rolled_back or len(batch) == 1 else None
    try:
        commit(connection)
    except DatabaseDown as down:
        return [down] * len(batch)
    return outcomes


def _begin_before(connection: sqlite3.Connection, deadline: float) -> None:
    while not begin(connection):
        if monotonic() >= deadline:
            raise DatabaseDown("SQLITE_BUSY")
        sleep(random.uniform(*LOCK_INTERVAL))  # noqa: S311 - no secret


def begin(connection: sqlite3.Connection) -> bool:
    """Begins a transaction with the write lock, because SQLite can't upgrade a read transaction after another
    connection has written. Returns False if another connection holds the lock."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not error_name(error).startswith("SQLITE_BUSY"):
            raise
        return False
    return True


def commit(connection: sqlite3.Connection) -> None:
    """Raises DatabaseDown after rolling back, because a COMMIT that fails on a full disk leaves the transaction
    open."""
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _roll_back(connection)
        name = error_name(error)
        # If only the sync failed, the transaction may still be on the disk.
        raise DatabaseDown(name, in_doubt=name.startswith("SQLITE_IOERR")) from error


def _roll_back(connection: sqlite3.Connection) -> None:
    """If this fails, SQLite rolls back when the file is next opened."""
    with suppress(sqlite3.Error):
        connection.rollback()


def _deliver(batch: list[_Request], outcomes: Sequence[_Outcome]) -> None:
    for request, outcome in zip(batch, outcomes, strict=True):
        if request.future.done():
            continue
        if isinstance(outcome, Exception):
            request.future.set_exception(_for_one_task(outcome))
        else:
            request.future.set_result(outcome)


def _for_one_task(error: Exception) -> Exception:
    """A separate exception for each task, since raising one adds to its traceback."""
    if isinstance(error, DatabaseDown):
        return DatabaseDown(error.reason, in_doubt=error.in_doubt)
    return outage(error) or error
