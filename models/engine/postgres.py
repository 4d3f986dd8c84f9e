"""PostgreSQL through asyncpg: a pool of connections for the process, with a bound on every wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from models.engine.errors import translating
from models.engine.interface import WRITE_NOTHING, Database, Limits, Row, Script, Session, Values
from models.engine.pool import Pool
from models.engine.postgres_errors import CONNECTION_ERRORS, breaks_connection, outage, outage_before_statement
from models.engine.tls import tls
from models.engine.url import PostgresUrl

# Seconds to restore a connection whose statement failed or was cancelled. The caller waits no longer than that.
_RESTORE: Final = 0.5


class _Connection(asyncpg.Connection):  # pyright: ignore[reportUntypedBaseClass]
    """With what the pool notes about it."""

    generation: int
    idle_since: float


class PostgresDatabase(Database):
    """Connects on demand, so a process can start while the server is away."""

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
        """25006 on a standby, or on a server that is read-only."""
        await self.run(WRITE_NOTHING, {})

    @asynccontextmanager
    async def exclusively(self, lock: int, on_wait: Callable[[], object] | None = None) -> AsyncGenerator[Session]:
        """By a transaction's advisory lock, which ends with the session that holds it."""
        connection = await self._acquire()
        try:
            with translating(outage):
                await connection.execute("BEGIN")
                await _lock(connection, lock, on_wait)
            yield PostgresTransaction(connection)
            with translating(outage):
                await connection.execute("COMMIT")
        except BaseException as error:
            await self._release_after(connection, error)
            raise
        self._pool.release(connection)

    async def close(self) -> None:
        with suppress(*CONNECTION_ERRORS):
            await self._pool.close()

    async def _acquire(self) -> Any:
        """Raises DatabaseDown, never in doubt."""
        try:
            return await self._pool.acquire()
        except Exception as error:
            # Rather than `translating`, which every statement would pay for.
            if down := outage_before_statement(error):
                raise down from error
            raise

    async def _release_after(self, connection: Any, error: BaseException) -> None:
        """Returns a connection to the pool, rolled back, or closes it if it is broken."""
        if breaks_connection(error):
            self._pool.renew()
            self._pool.discard(connection)
            return
        try:
            async with asyncio.timeout(_RESTORE):
                if not connection.is_in_transaction():
                    # Waits until the server has given up a cancelled statement, which may have been a BEGIN.
                    await connection.execute("SELECT 1")
                if connection.is_in_transaction():
                    await connection.execute("ROLLBACK")
        except BaseException as later:
            self._pool.discard(connection)
            # The caller has the first error, and this one concerns a connection that is closed now.
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
        with translating(outage):
            return await _fetch(self.connection, script, values)


def _fetch(connection: Any, script: Script, values: Values) -> Awaitable[Sequence[Row]]:
    """A script has a single step: on PostgreSQL, several are one statement."""
    (step,) = script.steps
    return connection.fetch(step.text, *[values[name] for name in step.names])


async def _lock(connection: Any, lock: int, on_wait: Callable[[], object] | None) -> None:
    if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", lock):
        return
    if on_wait:
        on_wait()
    await connection.execute(f"SELECT pg_advisory_xact_lock({lock})")


def _bounds(seconds: float | None) -> dict[str, Any]:
    """The server's own bounds apply first. `command_timeout` is for a server that has stopped answering."""
    if seconds is None:
        return {"timeout": 30}
    milliseconds = str(int(seconds * 1000))
    return {
        "timeout": seconds,
        "command_timeout": seconds + 1,
        "server_settings": {
            "application_name": "tendon",
            "statement_timeout": milliseconds,
            # A process that is suspended must not keep others from the rows that it has locked.
            "idle_in_transaction_session_timeout": milliseconds,
            # Nor one whose machine or network is gone: the server would wait for it for hours.
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
        },
    }
