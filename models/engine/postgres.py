"""PostgreSQL through asyncpg: a pool of connections for the process, with a limit on every wait."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from models.engine.errors import translated_errors
from models.engine.interface import WRITE_NOTHING, Database, Limits, Row, Script, Session, Values
from models.engine.pool import Pool
from models.engine.postgres_errors import (
    CONNECTION_ERRORS,
    breaks_connection,
    is_full,
    outage,
    outage_before_statement,
    translated,
)
from models.engine.postgres_hosts import Connector
from models.engine.postgres_poolers import SessionCheck
from models.engine.unanswered import Unanswered
from models.engine.url import PostgresUrl

# Time limit in seconds for opening a connection beside the pool, unless that of the pool is longer.
_LOOKING: Final = 5.0

_SESSIONS: Final = """
SELECT pid FROM pg_stat_activity JOIN unnest($1::int[], $2::float8[]) AS held (pid, age) USING (pid)
WHERE usename = current_user AND backend_start <= now() - (age - 1) * interval '1 second'"""
"""Which sessions of these process ids exist, and are not younger than a connection of that age."""


class PostgresDatabase(Database):
    """Connects on demand, so that a process can start while the server is unreachable."""

    dialect = "postgres"

    def __init__(self, url: PostgresUrl, limits: Limits) -> None:
        self._connector = Connector(url, limits.seconds)
        self._looking = max(_LOOKING, limits.seconds or 0)
        self._session_check = SessionCheck(self._connector.open)
        self._pool = Pool(self._session_check.open, limits.connections, limits.seconds, is_full=is_full)
        self._unanswered = Unanswered(self._end, self._sessions, self._pool.expire_connections, limits.seconds)

    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        """A script for PostgreSQL has a single step: `Statement` combines several into one."""
        (step,) = script.steps
        connection = self._pool.try_acquire() or await self._acquire()
        try:
            rows = await connection.run(step.text, step.parameters(values))
        except BaseException as error:
            await self._release_after(connection, error)
            if ours := translated(error):
                raise ours from error
            raise
        self._pool.release(connection)
        return rows

    async def check_writable(self) -> None:
        """Raises DatabaseDown with SQLSTATE 25006 on a standby, or on a server that is read-only."""
        await self.run(WRITE_NOTHING, {})

    @asynccontextmanager
    async def exclusively(self, lock: int, on_wait: Callable[[], object] | None = None) -> AsyncGenerator[Session]:
        """Uses a transaction-level advisory lock, which the server releases if the connection breaks."""
        connection = await self._acquire()
        try:
            with translated_errors(outage):
                await connection.execute("BEGIN")
                await _lock(connection, lock, on_wait)
            yield PostgresTransaction(connection)
            with translated_errors(outage):
                await connection.execute("COMMIT")
        except BaseException as error:
            await self._release_after(connection, error)
            raise
        self._pool.release(connection)

    async def close(self) -> None:
        await self._unanswered.close()
        await self._pool.close()

    async def _acquire(self) -> Any:
        """Raises DatabaseDown with `in_doubt` false, because nothing was sent yet."""
        try:
            return await self._pool.acquire()
        except Exception as error:
            # Not `translated_errors`, whose context manager would cost CPU time for every statement.
            if down := outage_before_statement(error):
                raise down from error
            raise

    async def _release_after(self, connection: Any, error: BaseException) -> None:
        """Roll back and return the connection to the pool, or close it if `error` broke it. If the server has not
        answered yet, that happens in the background."""
        if breaks_connection(error):
            # What broke it, such as a failover, has probably broken the others, too.
            self._pool.expire_connections()
            self._session_check.note(error)
        if connection.is_unanswered:
            self._unanswered.hold(connection)
        elif breaks_connection(error):
            self._pool.discard(connection)
        elif connection.is_in_transaction():
            await self._roll_back(connection)
        else:
            self._pool.release(connection)

    async def _roll_back(self, connection: Any) -> None:
        try:
            await connection.execute("ROLLBACK")
        except BaseException as error:
            if connection.is_unanswered:
                self._unanswered.hold(connection)
            else:
                self._pool.discard(connection)
            # The caller gets the error that made this necessary. This one is about the connection alone.
            if not isinstance(error, CONNECTION_ERRORS):
                raise
        else:
            self._pool.release(connection)

    def _end(self, connection: Any, usable: bool) -> None:
        (self._pool.release if usable else self._pool.discard)(connection)

    async def _sessions(self, ages: Mapping[int, float]) -> Collection[int] | None:
        """Uses a connection beside the pool, which may have none that is free."""
        try:
            connection = await self._connector.open(self._looking)
        except CONNECTION_ERRORS:
            # Nor can anyone open a connection for a slot that would be free.
            return None
        try:
            return [pid for (pid,) in await connection.fetch(_SESSIONS, list(ages), list(ages.values()))]
        except TimeoutError:
            return None
        finally:
            connection.terminate()


class PostgresTransaction(Session):
    """The open transaction of a connection."""

    dialect = "postgres"

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        (step,) = script.steps
        with translated_errors(translated):
            return await self.connection.fetch(step.text, *step.parameters(values))


async def _lock(connection: Any, lock: int, on_wait: Callable[[], object] | None) -> None:
    if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", lock):
        return
    if on_wait:
        on_wait()
    await connection.execute(f"SELECT pg_advisory_xact_lock({lock})")
