"""The database under a run: where the gateways find it, how it is read from outside, and what can be done to it."""

from __future__ import annotations

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg

from tests.postgres import PostgresServer, programs
from tests.proxy import Proxy


class Database(ABC):
    """`url` is what the gateways are given."""

    name: str
    url: str

    @abstractmethod
    async def rows(self, table: str) -> list[dict[str, Any]]: ...

    @abstractmethod
    async def close(self) -> None: ...


class Sqlite(Database):
    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tendon.db"
        self.url = f"sqlite://{self.path}"

    async def rows(self, table: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path, timeout=10)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(f"SELECT * FROM {table}")]

    @asynccontextmanager
    async def locked(self) -> AsyncGenerator[None]:
        """Another process's write lock. Held by a connection of this one, which is another process to the gateways."""
        with closing(sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)) as holder:
            await asyncio.to_thread(holder.execute, "BEGIN IMMEDIATE")
            try:
                yield
            finally:
                holder.execute("ROLLBACK")

    async def close(self) -> None:
        """The folder is the caller's."""


class Postgres(Database):
    """A server of the run's own, and a line to it that can be broken."""

    name = "postgres"

    def __init__(self, server: PostgresServer, database: str) -> None:
        self.server = server
        self.line = Proxy(server.port)
        self.direct = server.url(database)
        self.url = server.url(database, self.line.port)

    @classmethod
    async def open(cls) -> Postgres:
        server = await asyncio.to_thread(PostgresServer, programs())
        database = cls(server, (await server.create()).rpartition("/")[2])
        await database.line.open()
        return database

    async def rows(self, table: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self._ask(f"SELECT * FROM {table}")]

    async def terminate(self) -> None:
        """End all sessions of the gateways, as an administrator or a failover does."""
        await self._ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tendon'")

    async def close(self) -> None:
        await self.line.close()
        await asyncio.to_thread(self.server.remove)

    async def _ask(self, statement: str) -> list[Any]:
        session = await asyncpg.connect(self.direct)
        try:
            return await session.fetch(statement)
        finally:
            await session.close()
