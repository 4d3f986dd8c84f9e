"""SQLite by a thread: what waits is done in one go, and those who write share a COMMIT, which is what costs."""

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

from models.engine.down import DatabaseDown
from models.engine.work import Row, Values, Work

# So many share a COMMIT, or the first of them would wait for too many.
_AT_ONCE: Final = 64
# Seconds between two looks at a lock that another process has. Often, since it may be free for a moment only.
_PAUSE: Final = (0.0005, 0.004)

# A connection opened while the file could not be written stays read-only, and one that hit a disk error or a replaced
# file can't be trusted.
_BREAKING: Final = ("SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_NOTADB")

Outcome = Sequence[Row] | Exception


def judge(fault: BaseException) -> DatabaseDown | None:
    """A broken constraint or a wrong statement of ours is no outage. `DatabaseError` itself is a file that is none."""
    if isinstance(fault, sqlite3.OperationalError) or type(fault) is sqlite3.DatabaseError:
        return DatabaseDown(_name(fault))
    return None


def breaks_session(fault: BaseException | None) -> bool:
    """Whether the connection must be closed after this error."""
    down = fault if isinstance(fault, DatabaseDown) else fault and judge(fault)
    return bool(down and down.reason.startswith(_BREAKING))


def carry_out(session: sqlite3.Connection, work: Work, values: Values) -> Sequence[Row]:
    """In the transaction that is open, if any. A failure leaves it open, with what was done so far."""
    first, *then = work.steps
    cursor = session.execute(first.text, _fit(first.names, values))
    rows = cursor.fetchall()
    if then and rows:
        columns = [column[0] for column in cursor.description]
        done = {f"done.{column}": value for column, value in zip(columns, rows[0], strict=True)}
        known = {**values, **done}
        for step in then:
            if step.condition is None or known[step.condition]:
                session.execute(step.text, _fit(step.names, known)).close()
    return rows


class _Task:
    """`answer` is the caller's: cancelled when they have left."""

    __slots__ = ("answer", "since", "values", "work")

    def __init__(self, work: Work, values: Values, answer: asyncio.Future[Sequence[Row]]) -> None:
        self.work = work
        self.values = values
        self.answer = answer
        self.since = monotonic()


class Desk:
    """One connection to the file, used by one thread, for all tasks of a process.

    `seconds` bounds the wait for a turn, and the wait for the lock of other processes. What nobody waits for any more
    when its turn comes is not done. Callers hear of what was written once it is committed.
    """

    def __init__(self, open_session: Callable[[], sqlite3.Connection], seconds: float, *, writes: bool) -> None:
        self._open_session = open_session
        self._seconds = seconds
        self._do = self._write if writes else _read
        self._waiting: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False

    async def run(self, work: Work, values: Values) -> Sequence[Row]:
        """Raises DatabaseDown, and the driver's error for what is a fault of ours."""
        if self._closed:
            raise DatabaseDown("closed")
        loop = asyncio.get_running_loop()
        if self._thread is None:
            # A daemon: it holds up no process that ends in a hurry, which the file survives.
            self._thread = Thread(target=self._serve, args=(loop,), name="sqlite", daemon=True)
            self._thread.start()
        answer: asyncio.Future[Sequence[Row]] = loop.create_future()
        self._waiting.put(_Task(work, values, answer))
        return await answer

    async def close(self) -> None:
        """What waits is done first."""
        self._closed = True
        if self._thread is not None:
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        session: sqlite3.Connection | None = None
        while tasks := self._next():
            outcomes: Sequence[Outcome]
            try:
                session = session or self._open_session()
                outcomes = self._do(session, tasks)
            except Exception as fault:  # noqa: BLE001 - whatever it is, who waits hears it and the next are served
                outcomes = [fault] * len(tasks)
            # A loop that is closed has nobody who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_tell, tasks, outcomes)
        if session:
            # Closing checkpoints the write-ahead log, which may be what fails.
            with suppress(sqlite3.Error):
                session.close()

    def _next(self) -> list[_Task]:
        """Those who wait, or the first who comes; none at the end."""
        found: list[_Task] = []
        while len(found) < _AT_ONCE:
            try:
                task = self._waiting.get(block=not found)
            except Empty:
                break
            if task is None:
                if found:
                    self._waiting.put(None)
                break
            if not task.answer.cancelled():
                found.append(task)
        return found

    def _write(self, session: sqlite3.Connection, tasks: list[_Task]) -> Sequence[Outcome]:
        now = monotonic()
        until = min(now + self._seconds, tasks[-1].since + 2 * self._seconds)
        together = _committed(session, tasks, until)
        if together is None:
            # One of them can't be done. Which, and what becomes of the others, each finds out by itself.
            return [outcome for task in tasks for outcome in _committed(session, [task], until) or ()]
        return together


def _read(session: sqlite3.Connection, tasks: list[_Task]) -> Sequence[Outcome]:
    outcomes: list[Outcome] = []
    for task in tasks:
        try:
            outcomes.append(carry_out(session, task.work, task.values))
        except Exception as fault:  # noqa: BLE001 - its caller hears it
            outcomes.append(fault)
    return outcomes


def _committed(session: sqlite3.Connection, tasks: list[_Task], until: float) -> Sequence[Outcome] | None:
    """All of them in one transaction. None when one of several can't be done, and so none was."""
    try:
        _begin(session, until)
    except sqlite3.Error as fault:
        return [fault] * len(tasks)
    try:
        outcomes = [carry_out(session, task.work, task.values) for task in tasks]
    except Exception as fault:  # noqa: BLE001 - its caller hears it
        # Where SQLite itself has undone all of it, disk or memory is to blame, and the others would fare no better.
        hopeless = not session.in_transaction
        _roll_back(session)
        return [fault] * len(tasks) if hopeless or len(tasks) == 1 else None
    try:
        session.execute("COMMIT")
    except sqlite3.Error as fault:
        # On a full disk the transaction is still open.
        _roll_back(session)
        name = _name(fault)
        # What could not be made sure of may have reached the disk all the same.
        return [DatabaseDown(name, in_doubt=name.startswith("SQLITE_IOERR"))] * len(tasks)
    return outcomes


def _begin(session: sqlite3.Connection, until: float) -> None:
    """Takes the write lock. SQLite's own waiting looks ten times a second in the end, and busy processes would starve
    each other."""
    while True:
        try:
            session.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as fault:
            if not _name(fault).startswith("SQLITE_BUSY") or monotonic() >= until:
                raise
            sleep(random.uniform(*_PAUSE))  # noqa: S311 - no secret
        else:
            return


def _roll_back(session: sqlite3.Connection) -> None:
    """Nothing is lost when it fails: the file is rolled back when it is opened next."""
    with suppress(sqlite3.Error):
        session.rollback()


def _tell(tasks: list[_Task], outcomes: Sequence[Outcome]) -> None:
    for task, outcome in zip(tasks, outcomes, strict=True):
        if task.answer.done():
            continue
        if isinstance(outcome, Exception):
            task.answer.set_exception(_own(outcome))
        else:
            task.answer.set_result(outcome)


def _own(fault: Exception) -> Exception:
    """One for each caller, since each adds to it where it was raised."""
    if isinstance(fault, DatabaseDown):
        return DatabaseDown(fault.reason, in_doubt=fault.in_doubt)
    return judge(fault) or fault


def _fit(names: tuple[str, ...], values: Values) -> list[Any]:
    """As the ORM writes them into SQLite."""
    given = [values[name] for name in names]
    return [str(value.astimezone(UTC)) if isinstance(value, datetime) else value for value in given]


def _name(fault: BaseException) -> str:
    return getattr(fault, "sqlite_errorname", type(fault).__name__)
