"""How scripts run on a connection to an SQLite file, in the thread of the caller: reads one after the other, writes
together in one transaction. For sixty, the COMMIT waits for the disk no longer than for one."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import sleep
from typing import Any, Final

from models.engine.errors import DatabaseDown
from models.engine.interface import TIME_SUFFIX, Row, Script, Step, Values
from models.engine.sqlite_errors import error_name

# Seconds between two attempts to lock the file. Between two transactions of another process it may be free for a moment
# only. SQLite's own busy handler slows down to ten attempts a second, so that busy processes starve each other.
LOCK_INTERVAL: Final = (0.0005, 0.004)

Outcome = Sequence[Row] | Exception
Clock = Callable[[], float]
"""Gives seconds, as `monotonic` does."""


@dataclass(slots=True, eq=False)
class Request:
    """A script, the future of the task that waits for its rows, and when it was requested."""

    script: Script
    values: Values
    future: asyncio.Future[Sequence[Row]]
    since: float


def run_reads(connection: sqlite3.Connection, batch: Sequence[Request]) -> Sequence[Outcome]:
    outcomes: list[Outcome] = []
    for request in batch:
        try:
            outcomes.append(run_script(connection, request.script, request.values))
        except Exception as error:  # noqa: BLE001 - raised in its task
            outcomes.append(error)
    return outcomes


def run_writes(
    connection: sqlite3.Connection, batch: Sequence[Request], deadline: float, clock: Clock
) -> Sequence[Outcome]:
    """Waits for the lock of the file until `deadline`, a time of `clock`."""
    outcomes = _run_together(connection, batch, deadline, clock)
    if outcomes is None:
        # One of them fails. Run each in a transaction of its own, so that only that one does.
        return [outcome for request in batch for outcome in _run_together(connection, [request], deadline, clock) or ()]
    return outcomes


def run_script(connection: sqlite3.Connection, script: Script, values: Values) -> Sequence[Row]:
    """In the transaction that is open, if any. After an error that is still open, with the steps done so far."""
    first, *others = script.steps
    cursor = connection.execute(first.text, _parameters(first.names, values))
    rows = cursor.fetchall()
    if not rows:
        return rows
    columns = [column[0] for column in cursor.description]
    if others:
        rows = [_followed(connection, columns, row, others, values) for row in rows]
    times = [place for place, column in enumerate(columns) if column.endswith(TIME_SUFFIX)]
    return [_with_datetimes(row, times) for row in rows] if times else rows


def _followed(
    connection: sqlite3.Connection, columns: list[str], row: Row, steps: Sequence[Step], values: Values
) -> Row:
    """The row, after the steps that follow from it. `columns` and the row get the columns of those that join."""
    known = {**values, **{f"done.{column}": value for column, value in zip(columns, row, strict=True)}}
    for step in steps:
        if step.condition and not any(known[name] for name in step.condition):
            continue
        cursor = connection.execute(step.text, _parameters(step.names, known))
        if step.joins:
            names = [column[0] for column in cursor.description]
            joined = cursor.fetchone() or (None,) * len(names)
            row = (*row, *joined)
            columns += names
            known |= {f"done.{name}": value for name, value in zip(names, joined, strict=True)}
        cursor.close()
    return row


def _parameters(names: tuple[str, ...], values: Values) -> list[Any]:
    """SQLite has no type for a time: the tables hold text in UTC."""
    given = [values[name] for name in names]
    return [
        value.astimezone(UTC).isoformat(" ", "microseconds") if isinstance(value, datetime) else value
        for value in given
    ]


def _with_datetimes(row: Row, times: Sequence[int]) -> Row:
    columns = list(row)
    for place in times:
        if columns[place] is not None:
            columns[place] = datetime.fromisoformat(columns[place])
    return columns


def _run_together(
    connection: sqlite3.Connection, batch: Sequence[Request], deadline: float, clock: Clock
) -> Sequence[Outcome] | None:
    """In one transaction. None if one of several failed, so that none took effect."""
    try:
        _begin_before(connection, deadline, clock)
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


def _begin_before(connection: sqlite3.Connection, deadline: float, clock: Clock) -> None:
    while not begin(connection):
        if clock() >= deadline:
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
