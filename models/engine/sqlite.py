"""SQLite: one file, read and written through two desks; the ORM has a connection of its own beside, by aiosqlite."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Final

from tortoise.backends.base.client import ConnectionWrapper, TransactionContext
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper
from tortoise.connection import get_connections

from models.engine.desk import Desk, breaks_session, carry_out, judge
from models.engine.down import DatabaseDown, told
from models.engine.work import Row, Step, Values, Work

# Bytes that must be free on the disk: a few hundred pages of the write-ahead log.
_ROOM: Final = 1_000_000
# A read-only file refuses this like any write, but it matches no row, so nothing is written, not even to the log.
_WRITE_NOTHING: Final = Work((Step("UPDATE vault_key SET key_id = key_id WHERE false", ()),), writes=True)


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
        try:
            if breaks_session(fault) and isinstance(self.client, Client):
                await self.client.close_connection()
        finally:
            self._lock.release()
        if fault is not None and (down := judge(fault)):
            raise down from fault


class Client(SqliteClient):
    """Readers have a desk for themselves: in SQLite's write-ahead log they need not wait for those who write."""

    def __init__(self, file_path: str, **pragmas: Any) -> None:
        super().__init__(file_path, **pragmas)
        self._reading, self._writing = self._desks()

    async def run(self, work: Work, values: Values) -> Sequence[Row]:
        """What the first step returns. Raises DatabaseDown."""
        desk = self._writing if work.writes else self._reading
        try:
            return await desk.run(work, values)
        except (DatabaseDown, sqlite3.Error) as fault:
            if breaks_session(fault) and desk in (self._reading, self._writing):
                await self._renew()
            raise

    async def check_writable(self) -> None:
        """Raises DatabaseDown, also when the disk is full."""
        await self._writing.run(_WRITE_NOTHING, {})
        disk = os.statvfs(self.filename)
        if disk.f_bavail * disk.f_frsize < _ROOM:
            raise DatabaseDown("SQLITE_FULL")

    async def close(self) -> None:
        await self._writing.close()
        await self._reading.close()
        await super().close()

    def _desks(self) -> tuple[Desk, Desk]:
        """One that reads and one that writes. They connect on first use."""
        seconds = self.pragmas["busy_timeout"] / 1000
        reading = Desk(partial(self._open, seconds), seconds, writes=False)
        return reading, Desk(partial(self._open, 0), seconds, writes=True)

    async def _renew(self) -> None:
        """Close all connections: within a process, they share what SQLite knows about the file."""
        before = self._reading, self._writing
        self._reading, self._writing = self._desks()
        for desk in before:
            await desk.close()
        async with self._lock:
            await self.close_connection()

    async def close_connection(self) -> None:
        """Closes the ORM's own connection. It is opened again on demand."""
        with suppress(sqlite3.Error):
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
        """On a full disk, the transaction is still open when this raises."""
        with told(judge):
            await self._connection.commit()

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
        except BaseException as fault:
            await self._end(self._transaction.rollback, fault)
            raise
        return self._transaction

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            await self._end(self._transaction.rollback, fault)
            return
        try:
            await self._transaction.commit()
        except BaseException as later:
            await self._end(self._transaction.rollback, later)
            raise
        await self._end()

    async def _end(
        self, rollback: Callable[[], Awaitable[None]] | None = None, fault: BaseException | None = None
    ) -> None:
        try:
            if rollback:
                await rollback()
            if breaks_session(fault):
                await self._client.close_connection()
        finally:
            get_connections().reset(self._token)
            self._client._lock.release()  # noqa: SLF001


client_class = Client
