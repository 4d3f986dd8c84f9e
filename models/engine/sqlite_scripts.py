"""How scripts run on a connection to an SQLite file, in the thread of the caller: reads one after the other, writes
together in one transaction. For sixty, the COMMIT waits for the disk no longer than for one."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import sleep
from typing import Any, Final

import msgspec

from models.engine.errors import DatabaseDown
from models.engine.interface import TIME_SUFFIX, Row, Script, Step, Values
from models.engine.sqlite_errors import error_name

# Seconds between two attempts to lock the file. Between two transactions of another process it may be free for a moment
# only. SQLite's own busy handler slows down to ten attempts a second, so that busy processes starve each other.
LOCK_INTERVAL: Final = (0.0005, 0.004)

Outcome = Sequence[Row] | Exception
Clock = Callable[[], float]
"""Gives seconds, as `monotonic` does."""


class Request(msgspec.Struct, frozen=True, eq=False):
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
    values = _without_datetimes(values)
    cursor = connection.execute(first.text, first.parameters(values))
    rows = cursor.fetchall()
    if not rows:
        return rows
    columns = _columns(first, cursor)
    if others:
        rows = [_followed(connection, columns, row, others, values) for row in rows]
    if script.times is None:
        names = [*columns, *(name for step in others if step.joins for name in step.columns or ())]
        script.times = tuple(place for place, name in enumerate(names) if name.endswith(TIME_SUFFIX))
    return [_with_datetimes(row, script.times) for row in rows] if script.times else rows


def _columns(step: Step, cursor: sqlite3.Cursor) -> tuple[str, ...]:
    if step.columns is None:
        step.columns = tuple(f"done.{column[0]}" for column in cursor.description)
    return step.columns


def _followed(
    connection: sqlite3.Connection, columns: tuple[str, ...], row: Row, steps: Sequence[Step], values: Values
) -> Row:
    """The row, after the steps that follow from it, with the columns of those that join."""
    known = {**values, **dict(zip(columns, row, strict=True))}
    for step in steps:
        if step.joins:
            joined = _joined(connection, step, known)
            row = (*row, *joined.values())
            known |= joined
        elif not step.condition or any(step.conditions(known)):
            connection.execute(step.text, step.parameters(known)).close()
    return row


def _joined(connection: sqlite3.Connection, step: Step, values: Values) -> Mapping[str, Any]:
    # The first run tells the names of the columns.
    if step.columns is not None and None in step.conditions(values):
        return dict.fromkeys(step.columns)
    cursor = connection.execute(step.text, step.parameters(values))
    names = _columns(step, cursor)
    row = cursor.fetchone()
    cursor.close()
    return dict(zip(names, row, strict=True)) if row else dict.fromkeys(names)


def _without_datetimes(values: Values) -> Values:
    """SQLite has no type for a time: the tables hold text in UTC."""
    if datetime not in map(type, values.values()):
        return values
    times = {name: value for name, value in values.items() if type(value) is datetime}
    return {**values, **{name: time.astimezone(UTC).isoformat(" ", "microseconds") for name, time in times.items()}}


def _with_datetimes(row: Row, times: Sequence[int]) -> Row:
    columns = list(row)
    for place in times:
        if (time := columns[place]) is not None:
            columns[place] = datetime.fromisoformat(time)
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
