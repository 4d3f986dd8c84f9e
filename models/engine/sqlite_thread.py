"""A thread with a connection of its own to an SQLite file, which runs the scripts of all tasks of a process.

Those that wait at the same time run in one go, and writes share a transaction: for sixty, the COMMIT waits for the disk
no longer than for one.
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

# How many scripts share a COMMIT at most: the first of them waits for the last.
_BATCH: Final = 64
# Seconds between two attempts to lock the file. Between two transactions of another process it may be free for a moment
# only. SQLite's own busy handler slows down to ten attempts a second, so that busy processes starve each other.
LOCK_INTERVAL: Final = (0.0005, 0.004)

_Outcome = Sequence[Row] | Exception


class _Request:
    """A script, and the future of the task that waits for its rows."""

    __slots__ = ("future", "script", "since", "values")

    def __init__(self, script: Script, values: Values, future: asyncio.Future[Sequence[Row]]) -> None:
        self.script = script
        self.values = values
        self.future = future
        self.since = monotonic()


class SqliteThread:
    """Connects on first use. `seconds` bounds the wait in the queue, and the wait for a lock held by another process.

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
            # A daemon, so that it can't hold up a process that exits in a hurry. The file survives that.
            self._thread = Thread(target=self._serve, args=(loop,), name="sqlite", daemon=True)
            self._thread.start()
        future: asyncio.Future[Sequence[Row]] = loop.create_future()
        self._requests.put(_Request(script, values, future))
        return await future

    async def close(self) -> None:
        """Runs first what was requested before."""
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
            # If the loop is closed, no task waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_deliver, batch, outcomes)
        if connection:
            # Closing checkpoints the write-ahead log, which may fail.
            with suppress(sqlite3.Error):
                connection.close()

    def _next_batch(self) -> list[_Request]:
        """Waits for a request, and takes the others that wait by then. Empty when the thread is to end."""
        batch: list[_Request] = []
        while len(batch) < _BATCH:
            try:
                request = self._requests.get(block=not batch)
            except Empty:
                break
            if request is None:
                # For the next call, which then finds nothing else.
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
            # One of them fails. Run each in a transaction of its own, so that only that one does.
            return [outcome for request in batch for outcome in _run_together(connection, [request], deadline) or ()]
        return outcomes


def run_script(connection: sqlite3.Connection, script: Script, values: Values) -> Sequence[Row]:
    """In the transaction that is open, if any. After an error that is still open, with the steps done so far."""
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
    """SQLite has no type for a moment: the tables hold text in UTC."""
    given = [values[name] for name in names]
    return [str(value.astimezone(UTC)) if isinstance(value, datetime) else value for value in given]


def _read(connection: sqlite3.Connection, batch: list[_Request]) -> Sequence[_Outcome]:
    outcomes: list[_Outcome] = []
    for request in batch:
        try:
            outcomes.append(run_script(connection, request.script, request.values))
        except Exception as error:  # noqa: BLE001 - raised in its task
            outcomes.append(error)
    return outcomes


def _run_together(connection: sqlite3.Connection, batch: list[_Request], deadline: float) -> Sequence[_Outcome] | None:
    """In one transaction. None if one of several failed, so that none took effect."""
    try:
        _begin_before(connection, deadline)
    except (DatabaseDown, sqlite3.Error) as error:
        return [error] * len(batch)
    try:
        outcomes = [run_script(connection, request.script, request.values) for request in batch]
    except Exception as error:  # noqa: BLE001 - raised in its task
        # If SQLite itself has rolled back, the cause is the disk or memory, and the others would fail as well.
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
    """Takes the write lock at once, since SQLite can't turn a reader into a writer after another has written. Returns
    False if another connection has it."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not error_name(error).startswith("SQLITE_BUSY"):
            raise
        return False
    return True


def commit(connection: sqlite3.Connection) -> None:
    """Raises DatabaseDown, after a rollback: on a full disk, the transaction would still be open."""
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _roll_back(connection)
        name = error_name(error)
        # After a failed sync, the transaction may be on the disk all the same.
        raise DatabaseDown(name, in_doubt=name.startswith("SQLITE_IOERR")) from error


def _roll_back(connection: sqlite3.Connection) -> None:
    """If this fails, SQLite rolls back when the file is opened next."""
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
    """An exception of its own for each task, since raising adds a traceback to it."""
    if isinstance(error, DatabaseDown):
        return DatabaseDown(error.reason, in_doubt=error.in_doubt)
    return outage(error) or error
