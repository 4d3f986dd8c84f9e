"""Recognizes poolers that give each transaction of a connection another session, as PgBouncer may be set to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
from asyncpg.exceptions import DuplicatePreparedStatementError, InvalidSQLStatementNameError

from models.engine.errors import SHARED_SESSIONS, DatabaseDown
from models.engine.postgres_errors import CONNECTION_ERRORS

# The sessions may happen to be assigned as if the pooler were in session mode, above all if many clients use it.
_ROUNDS: Final = 30
# Time limit for the second connection, as a part of the limit for the first. A pooler in session mode may have no
# session left for it.
_SECOND: Final = 1 / 4
_CONFUSED: Final = (DuplicatePreparedStatementError, InvalidSQLStatementNameError)
"""What statements fail with if they are prepared in one session, and executed in another."""
# PgBouncer's message in statement mode, in which each statement may run in another session.
_NO_TRANSACTIONS: Final = "transaction blocks not allowed"


class SessionCheck:
    """Refuses connections whose sessions are shared. Prepared statements and settings don't hold there: a name may even
    stand for another statement, which another process has prepared.

    The check runs with the first connection of a process, and again after errors that such a pooler causes. Behind a
    pooler, it needs a second connection. `connect` opens one, within a time limit in seconds.
    """

    def __init__(self, connect: Callable[[float | None], Awaitable[Any]]) -> None:
        self._connect = connect
        self._passed = False
        self._checking = asyncio.Lock()

    async def open(self, seconds: float | None) -> Any:
        """A connection with a session of its own. Raises DatabaseDown if it has none, and what `connect` raises."""
        async with asyncio.timeout(seconds):
            connection = await self._connect_or_refuse(seconds)
            if self._passed:
                return connection
            try:
                await self._check(connection, seconds)
            except BaseException:
                connection.terminate()
                raise
            return connection

    def note(self, error: BaseException) -> None:
        """Check the next connection, if a pooler may have caused this error of a statement."""
        if isinstance(error, _CONFUSED) or isinstance(error.__cause__, _CONFUSED):
            self._passed = False

    async def _connect_or_refuse(self, seconds: float | None) -> Any:
        try:
            return await self._connect(seconds)
        except _CONFUSED as error:
            raise DatabaseDown(SHARED_SESSIONS) from error

    async def _check(self, connection: Any, seconds: float | None) -> None:
        if connection.process_id == connection.get_server_pid():
            # The server itself answered: a pooler invents a process id for each connection.
            self._passed = True
            return
        # One at a time, so that a process opens one connection more than its pool has, and not twice as many.
        async with self._checking:
            if self._passed:
                return
            try:
                second = await self._connect_or_refuse(None if seconds is None else seconds * _SECOND)
            except CONNECTION_ERRORS:
                # There is none to be had at the moment. The next connection is checked.
                return
            try:
                if not await _have_own_sessions(connection, second):
                    raise DatabaseDown(SHARED_SESSIONS)
            finally:
                second.terminate()
            self._passed = True


async def _have_own_sessions(first: Any, second: Any) -> bool:
    try:
        for _ in range(_ROUNDS):
            if not await _keep_apart(first, second):
                return False
    except asyncpg.PostgresError as error:
        if isinstance(error, _CONFUSED) or _NO_TRANSACTIONS in str(error):
            return False
        raise
    return True


async def _keep_apart(first: Any, second: Any) -> bool:
    before = await _session(first)
    await second.execute("BEGIN")
    try:
        # The second holds a session now. If it is that of the first, the first is given another one.
        return await _session(second) != before and await _session(first) == before
    finally:
        await second.execute("ROLLBACK")


async def _session(connection: Any) -> int:
    return await connection.fetchval("SELECT pg_backend_pid()")
