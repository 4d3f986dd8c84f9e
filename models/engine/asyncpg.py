"""PostgreSQL through asyncpg: a pool of connections for each process, every wait bounded."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Final

import asyncpg
import structlog
from asyncpg.exceptions import ClientConfigurationError, InternalClientError, InvalidCachedStatementError
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import ConnectionWrapper, PoolConnectionWrapper, TransactionContext
from tortoise.connection import get_connections

from models.engine.down import DatabaseDown, told
from models.engine.limits import Limits

log = structlog.get_logger("tendon")

# Classes and codes of SQLSTATE: connection, authorization, catalogue, resources, operator, system; a standby, a
# transaction the server ended, a lock not to be had, a right that is missing, a table that is not there.
_DOWN_CLASSES: Final = frozenset({"08", "28", "3D", "53", "57", "58"})
_DOWN_CODES: Final = frozenset({"25006", "25P03", "40001", "40P01", "42501", "42703", "42P01", "55P03"})
# A server that is going down, or a connection that is gone, may have done what it was asked before.
_DOUBTFUL_CLASSES: Final = frozenset({"08", "57", "58"})
# By its time-out, a statement was undone.
_CANCELLED: Final = "57014"

_BROKEN: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, InternalClientError)


def judge(fault: BaseException) -> DatabaseDown | None:
    """A broken constraint, a wrong statement or a value that does not fit is a fault of ours and no outage."""
    name = type(fault).__name__
    if isinstance(fault, asyncpg.PostgresError):
        code = str(fault.sqlstate)
        # A plan from before a migration: asyncpg has forgotten it by now.
        stale = isinstance(fault, InvalidCachedStatementError)
        down = stale or code[:2] in _DOWN_CLASSES or code in _DOWN_CODES
        in_doubt = code[:2] in _DOUBTFUL_CLASSES and code != _CANCELLED
        return DatabaseDown(f"{name} {code}", in_doubt=in_doubt) if down else None
    # The last is what a connection says that the server ended between two statements.
    if isinstance(fault, OSError | asyncpg.InterfaceError | InternalClientError) and not isinstance(fault, ValueError):
        return DatabaseDown(name, in_doubt=True)
    return None


def _without_doubt(fault: BaseException) -> DatabaseDown | None:
    """Nothing was asked for yet, and whatever keeps us from a connection is an outage."""
    if isinstance(fault, asyncpg.PostgresError):
        return DatabaseDown(f"{type(fault).__name__} {fault.sqlstate}")
    if isinstance(fault, ClientConfigurationError):
        return DatabaseDown("ClientConfigurationError: sslmode needs a certificate that is not there")
    down = judge(fault)
    return down and DatabaseDown(down.reason)


def _breaks(fault: BaseException | None) -> bool:
    """Whether it leaves a connection that answers no more: it would only be waited for."""
    down = fault if isinstance(fault, DatabaseDown) else fault and judge(fault)
    return bool(down and down.in_doubt)


class _Connection(asyncpg.Connection):  # pyright: ignore[reportUntypedBaseClass]
    def get_reset_query(self) -> str:
        """None of our statements changes a session, so there is nothing to reset between two uses."""
        return ""


class Client(AsyncpgDBClient):
    """Connects on demand, so a process starts while the database is away and finds it when it is back."""

    connection_class = _Connection

    def __init__(self, limits: Limits, **credentials: Any) -> None:
        self.seconds = limits.seconds
        super().__init__(minsize=0, maxsize=limits.connections, **_bounds(limits.seconds), **credentials)

    def acquire_connection(self) -> PoolConnectionWrapper[Any]:
        return _Pooled(self, self._pool_init_lock)

    def _in_transaction(self) -> TransactionContext:
        return _Context(self)

    async def take(self) -> Any:
        """A connection of the pool, to be given back. Raises DatabaseDown, never in doubt."""
        with told(_without_doubt):
            if self._pool is None:
                async with self._pool_init_lock:
                    if self._pool is None:
                        await self.create_connection(with_db=True)
            return await self._pool.acquire(timeout=self.seconds)

    async def give_back(self, connection: Any, fault: BaseException | None) -> None:
        """To be used again, rolled back if need be. One that is broken is closed instead."""
        if self._pool is None:
            return
        # What goes wrong here concerns the connection only, and closed it.
        with suppress(*_BROKEN):
            if _breaks(fault):
                connection.terminate()
            else:
                await self._pool.release(connection, timeout=self.seconds)


def _bounds(seconds: float | None) -> dict[str, Any]:
    """The server's own bounds come first. Ours holds when the server has stopped answering."""
    if seconds is None:
        return {"timeout": 30}
    milliseconds = str(int(seconds * 1000))
    return {
        "timeout": seconds,
        "command_timeout": seconds + 1,
        "server_settings": {
            "application_name": "tendon",
            "statement_timeout": milliseconds,
            # A process that stands still must not keep others from the rows it has locked.
            "idle_in_transaction_session_timeout": milliseconds,
            # Nor one whose machine or line is gone: the server would wait for it for hours.
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
        },
    }


class _Pooled(PoolConnectionWrapper[Any]):
    """A connection, for one statement."""

    client: Client

    async def __aenter__(self) -> Any:
        self.connection = await self.client.take()
        return self.connection

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.give_back(self.connection, fault)
        if fault is not None and (down := judge(fault)):
            raise down from fault


class _Held(ConnectionWrapper[Any]):
    """The connection of a transaction, for one statement."""

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
        if fault is not None and (down := judge(fault)):
            raise down from fault


class _Transaction(TransactionWrapper):
    def acquire_connection(self) -> ConnectionWrapper[Any]:
        return _Held(self._lock, self)


class _Context(TransactionContext):
    """A transaction on a connection of the pool. The ORM's own loses the connection when cancelled in BEGIN."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __aenter__(self) -> Any:
        self._connection = await self._client.take()
        wrapper = _Transaction(self._client)
        wrapper._connection = self._connection  # noqa: SLF001
        self._token = get_connections().set(self._client.connection_name, wrapper)
        try:
            with told(judge):
                # asyncpg's own rolls back what is left open, and says nothing of it only when used as a context.
                self._transaction = self._connection.transaction()
                await self._transaction.__aenter__()
        except BaseException as fault:
            await self._leave(fault)
            raise
        return wrapper

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if fault is None:
                with told(judge):
                    await self._transaction.__aexit__(None, None, None)
            elif not _breaks(fault):
                # Whatever failed before matters more than that the connection is broken, too.
                with suppress(*_BROKEN):
                    await self._transaction.__aexit__(kind, fault, trace)
        except BaseException as later:
            fault = later
            raise
        finally:
            await self._leave(fault)

    async def _leave(self, fault: BaseException | None) -> None:
        get_connections().reset(self._token)
        await self._client.give_back(self._connection, fault)


@asynccontextmanager
async def locked(credentials: dict[str, Any], number: int) -> AsyncGenerator[None]:
    """An advisory lock for as long as the block runs. It goes with the session that holds it. Raises DatabaseDown."""
    named = {name: value for name, value in credentials.items() if name != "limits"}
    with told(_without_doubt):
        session = await asyncpg.connect(**named, timeout=30)
    try:
        with told(judge):
            if not await session.fetchval("SELECT pg_try_advisory_lock($1)", number):
                log.info("migrate.waiting")
                await session.execute("SELECT pg_advisory_lock($1)", number)
        yield
    finally:
        session.terminate()


client_class = Client
