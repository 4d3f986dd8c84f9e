"""SQLite: one file, read and written through two desks; the ORM has a connection of its own beside, by aiosqlite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

from tortoise.backends.base.client import ConnectionWrapper, TransactionContext
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper
from tortoise.connection import get_connections

from models.engine.desk import Desk, carry_out, judge
from models.engine.down import DatabaseDown, told
from models.engine.work import Row, Values, Work


async def _acquire(lock: asyncio.Lock, client: Any) -> None:
    """Tasks of a process wait for its one connection as long as the connection waits for other processes."""
    if not lock.locked():
        await lock.acquire()
        return
    try:
        async with asyncio.timeout(getattr(client, "_parent", client).pragmas["busy_timeout"] / 1000):
            await lock.acquire()
    except TimeoutError:
        raise DatabaseDown("SQLITE_BUSY") from None


class _Held(ConnectionWrapper[Any]):
    """The connection, for one statement."""

    async def __aenter__(self) -> Any:
        await _acquire(self._lock, self.client)
        try:
            with told(judge):
                await self.ensure_connection()
        except BaseException:
            self._lock.release()
            raise
        return self.connection

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
        if fault is not None and (down := judge(fault)):
            raise down from fault


class Client(SqliteClient):
    """Readers have a desk for themselves: in SQLite's write-ahead log they need not wait for those who write."""

    def __init__(self, file_path: str, **pragmas: Any) -> None:
        super().__init__(file_path, **pragmas)
        seconds = self.pragmas["busy_timeout"] / 1000
        self._reading = Desk(partial(self._open, seconds), seconds, writes=False)
        self._writing = Desk(partial(self._open, 0), seconds, writes=True)

    async def run(self, work: Work, values: Values) -> Sequence[Row]:
        """What the first step returns. Raises DatabaseDown."""
        return await (self._writing if work.writes else self._reading).run(work, values)

    async def close(self) -> None:
        await self._writing.close()
        await self._reading.close()
        await super().close()

    def _open(self, seconds: float) -> sqlite3.Connection:
        """`seconds` is how long a statement waits for others."""
        session = sqlite3.connect(self.filename, isolation_level=None, check_same_thread=False)
        for pragma, value in [*self.pragmas.items(), ("busy_timeout", int(seconds * 1000))]:
            session.execute(f"PRAGMA {pragma}={value}")
        return session

    def acquire_connection(self) -> ConnectionWrapper[Any]:
        return _Held(self._lock, self)

    def _in_transaction(self) -> TransactionContext:
        return _Context(self)


class _Transaction(SqliteTransactionWrapper):
    async def run(self, work: Work, values: Values) -> Sequence[Row]:
        async with self.acquire_connection() as connection:
            return await connection._execute(carry_out, connection._conn, work, values)  # noqa: SLF001

    def acquire_connection(self) -> ConnectionWrapper[Any]:
        return _Held(self._lock, self)

    async def begin(self) -> None:
        """Takes the write lock at once: SQLite can't turn a reader into a writer when another has written meanwhile."""
        with told(judge):
            await self._connection.execute("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        try:
            with told(judge):
                await self._connection.commit()
        except DatabaseDown:
            # On a full disk the transaction is still open.
            await self.rollback()
            raise

    async def rollback(self) -> None:
        """Nothing is lost when it fails: the file is rolled back when it is opened next."""
        with suppress(sqlite3.Error):
            await self._connection.rollback()


class _Context(TransactionContext):
    """A transaction that takes the connection for itself. The ORM's own keeps it for ever when cancelled in BEGIN.

    A cancelled statement is run by aiosqlite's thread all the same, so what is asked of it next comes after.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._name = client.connection_name

    async def __aenter__(self) -> Any:
        await _acquire(self._client._lock, self._client)  # noqa: SLF001
        try:
            if self._client._connection is None:  # noqa: SLF001
                with told(judge):
                    await self._client.create_connection(with_db=True)
        except BaseException:
            self._client._lock.release()  # noqa: SLF001
            raise
        self._transaction = _Transaction(self._client)
        self._token = get_connections().set(self._name, self._transaction)
        try:
            await self._transaction.begin()
        except BaseException:
            await self._end(self._transaction.rollback)
            raise
        return self._transaction

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end(self._transaction.commit if kind is None else self._transaction.rollback)

    async def _end(self, how: Callable[[], Awaitable[None]]) -> None:
        try:
            await how()
        finally:
            get_connections().reset(self._token)
            self._client._lock.release()  # noqa: SLF001


client_class = Client
