"""PostgreSQL through asyncpg: a pool of connections for the process, with a limit on every wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from models.engine.errors import translated_errors
from models.engine.interface import WRITE_NOTHING, Database, Limits, Row, Script, Session, Values
from models.engine.pool import Pool
from models.engine.postgres_errors import CONNECTION_ERRORS, breaks_connection, outage, outage_before_statement
from models.engine.tls import tls
from models.engine.url import PostgresUrl

# Time limit in seconds for restoring a connection whose statement failed or was cancelled; the caller waits for it.
_RESTORE: Final = 0.5


class _Connection(asyncpg.Connection):  # pyright: ignore[reportUntypedBaseClass]
    """Adds the attributes that the pool uses."""

    generation: int
    idle_since: float


class PostgresDatabase(Database):
    """Connects on demand, so that a process can start while the server is unreachable."""

    dialect = "postgres"

    def __init__(self, url: PostgresUrl, limits: Limits) -> None:
        self._url = url
        self._bounds = _bounds(limits.seconds)
        self._pool = Pool(self._connect, limits.connections, limits.seconds)

    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        connection = await self._acquire()
        try:
            rows = await _fetch(connection, script, values)
        except BaseException as error:
            await self._release_after(connection, error)
            if down := outage(error):
                raise down from error
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
        with suppress(*CONNECTION_ERRORS):
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
        """Roll back and return the connection to the pool, or close it if `error` broke it."""
        if breaks_connection(error):
            self._pool.expire_connections()
            self._pool.discard(connection)
            return
        try:
            async with asyncio.timeout(_RESTORE):
                if not connection.is_in_transaction():
                    # Waits until the server has ended a cancelled statement, which may have been BEGIN.
                    await connection.execute("SELECT 1")
                if connection.is_in_transaction():
                    await connection.execute("ROLLBACK")
        except BaseException as later:
            self._pool.discard(connection)
            # The caller gets the first error. This one is about a connection that is closed by now.
            if not isinstance(later, CONNECTION_ERRORS):
                raise
        else:
            self._pool.release(connection)

    async def _connect(self, seconds: float | None) -> Any:
        bounds: dict[str, Any] = self._bounds if seconds is None else self._bounds | {"timeout": seconds}
        return await asyncpg.connect(
            **tls(self._url.sslmode, self._url.sslrootcert),
            host=self._url.host,
            port=self._url.port,
            user=self._url.user,
            password=self._url.password,
            database=self._url.database,
            connection_class=_Connection,
            **bounds,
        )


class PostgresTransaction(Session):
    """The open transaction of a connection."""

    dialect = "postgres"

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def run(self, script: Script, values: Values) -> Sequence[Row]:
        with translated_errors(outage):
            return await _fetch(self.connection, script, values)


def _fetch(connection: Any, script: Script, values: Values) -> Awaitable[Sequence[Row]]:
    """A script for PostgreSQL has a single step: `Statement` combines several into one."""
    (step,) = script.steps
    return connection.fetch(step.text, *[values[name] for name in step.names])


async def _lock(connection: Any, lock: int, on_wait: Callable[[], object] | None) -> None:
    if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", lock):
        return
    if on_wait:
        on_wait()
    await connection.execute(f"SELECT pg_advisory_xact_lock({lock})")


def _bounds(seconds: float | None) -> dict[str, Any]:
    """Arguments of `asyncpg.connect` that limit every wait. The server's own time-outs apply first; `command_timeout`
    is for a server that has stopped responding."""
    if seconds is None:
        return {"timeout": 30}
    milliseconds = str(int(seconds * 1000))
    return {
        "timeout": seconds,
        "command_timeout": seconds + 1,
        "server_settings": {
            "application_name": "tendon",
            "statement_timeout": milliseconds,
            # A suspended process must not keep its row locks.
            "idle_in_transaction_session_timeout": milliseconds,
            # Nor must one whose machine or network is gone. By default, the server would notice only after hours.
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
        },
    }
