"""PostgreSQL through asyncpg: a pool of connections for each process, every wait bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Final

import asyncpg
import structlog
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import ConnectionWrapper, PoolConnectionWrapper, TransactionContext
from tortoise.connection import get_connections

from models.engine.down import told
from models.engine.limits import Limits
from models.engine.pool import Pool
from models.engine.server_faults import BROKEN, breaks_session, judge, without_doubt
from models.engine.tls import tls
from models.engine.work import Row, Step, Values, Work

log = structlog.get_logger("tendon")

# Seconds to put a connection in order after its statement was given up: whoever gave it up waits no longer for that.
_LEAVING: Final = 0.5


# A read-only server refuses this like any write, but it matches no row and so changes nothing.
_WRITE_NOTHING: Final = Work((Step("UPDATE vault_key SET key_id = key_id WHERE false", ()),), writes=True)


class _Connection(asyncpg.Connection):  # pyright: ignore[reportUntypedBaseClass]
    def get_reset_query(self) -> str:
        """None of our statements changes a session, so there is nothing to reset between two uses."""
        return ""


class Client(AsyncpgDBClient):
    """Connects on demand, so a process starts while the database is away and finds it when it is back."""

    def __init__(self, limits: Limits, sslmode: str | None, sslrootcert: str | None, **credentials: Any) -> None:
        super().__init__(**_bounds(limits.seconds), **credentials)
        self._sslmode, self._sslrootcert = sslmode, sslrootcert
        self.seconds = limits.seconds
        self.pool = Pool(self._connect, limits.connections, limits.seconds)

    async def create_connection(self, with_db: bool) -> None:
        """Not before one is needed."""

    async def close(self) -> None:
        with suppress(*BROKEN):
            await self.pool.close()

    def acquire_connection(self) -> PoolConnectionWrapper[Any]:
        return _Pooled(self, self._pool_init_lock)

    def _in_transaction(self) -> TransactionContext:
        return _Context(self)

    async def run(self, work: Work, values: Values) -> Sequence[Row]:
        """What the statement returns. Raises DatabaseDown."""
        (step,) = work.steps
        connection = await self.take()
        try:
            rows = await connection.fetch(step.text, *[values[name] for name in step.names])
        except BaseException as fault:
            await self.give_back(connection, fault)
            if down := judge(fault):
                raise down from fault
            raise
        self.pool.give_back(connection)
        return rows

    async def check_writable(self) -> None:
        """Raises DatabaseDown: 25006 on a standby, or on a server that is read-only."""
        await self.run(_WRITE_NOTHING, {})

    async def take(self) -> Any:
        """A connection of the pool, to be given back. Raises DatabaseDown, never in doubt."""
        with told(without_doubt):
            return await self.pool.take()

    async def give_back(self, connection: Any, fault: BaseException | None) -> None:
        """To be used again, rolled back if need be. One that is broken is closed instead."""
        broken = breaks_session(fault)
        if broken:
            self.pool.renew()
        if broken or connection.is_closed():
            self.pool.drop(connection)
            return
        try:
            async with asyncio.timeout(_LEAVING):
                protocol = connection._protocol  # noqa: SLF001
                if protocol._is_cancelling():  # noqa: SLF001
                    await protocol._wait_for_cancellation(None)  # noqa: SLF001
                await connection.reset()
        except BaseException as later:
            self.pool.drop(connection)
            # What goes wrong here concerns the connection only, and closed it.
            if not isinstance(later, BROKEN):
                raise
        else:
            self.pool.give_back(connection)

    async def _connect(self, seconds: float | None) -> Any:
        return await asyncpg.connect(
            **tls(self._sslmode, self._sslrootcert),
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=self.database,
            server_settings=self.server_settings,
            connection_class=_Connection,
            **self.extra | ({} if seconds is None else {"timeout": seconds}),
        )


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
    async def run(self, work: Work, values: Values) -> Sequence[Row]:
        (step,) = work.steps
        async with self.acquire_connection() as connection:
            return await connection.fetch(step.text, *[values[name] for name in step.names])

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
            elif not breaks_session(fault):
                # Whatever failed before matters more than that the connection is broken, too.
                with suppress(*BROKEN):
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
    named = dict(credentials)
    named.pop("limits")
    with told(without_doubt):
        secured = tls(named.pop("sslmode"), named.pop("sslrootcert"))
        session = await asyncpg.connect(**named, **secured, timeout=30)
    try:
        with told(judge):
            if not await session.fetchval("SELECT pg_try_advisory_lock($1)", number):
                log.info("migrate.waiting")
                await session.execute("SELECT pg_advisory_lock($1)", number)
        yield
    finally:
        session.terminate()


client_class = Client
