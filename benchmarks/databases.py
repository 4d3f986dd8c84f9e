"""The databases: on each engine a template that `tendon migrate` created, and a copy of it for each contender.

SQLite runs with WAL and synchronous = FULL, PostgreSQL with fsync, full_page_writes and synchronous_commit on: what was
answered with 201 survives a power failure.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from benchmarks import proc
from benchmarks.proc import Cpu
from tests.postgres import PostgresServer, binaries

Record = tuple[Any, ...]

# The driver has no types.
_connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]


class Database(ABC):
    """`url` is for TENDON_DATABASE_URL, `location` for a driver."""

    url: str
    location: str

    @abstractmethod
    def insert(self, table: str, columns: Sequence[str], records: Iterable[Record]) -> None:
        """Insert many rows at once, and wait until the engine is idle."""

    @abstractmethod
    def rows(self, statement: str) -> list[Record]: ...

    @abstractmethod
    def run(self, *statements: str) -> None: ...

    @abstractmethod
    def settle(self) -> None:
        """Update the engine's statistics, and wait until it is idle."""


class Engine(ABC):
    name: str
    version: str
    durability: str

    @abstractmethod
    def create(self, name: str, template: Database | None = None) -> Database: ...

    @abstractmethod
    def cpu(self) -> Cpu:
        """CPU time of the engine's own processes, if it has any."""

    def close(self) -> None:  # noqa: B027 - SQLite has no process
        """Stop the engine's processes."""


class Sqlite(Engine):
    name = "sqlite"
    version = sqlite3.sqlite_version
    durability = "WAL, synchronous = FULL"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def create(self, name: str, template: Database | None = None) -> Database:
        path = self._folder / f"{name}.db"
        if template:
            shutil.copyfile(template.location, path)
        return SqliteFile(path)

    def cpu(self) -> Cpu:
        return {}


class SqliteFile(Database):
    def __init__(self, path: Path) -> None:
        self.url = f"sqlite://{path}"
        self.location = str(path)

    def insert(self, table: str, columns: Sequence[str], records: Iterable[Record]) -> None:
        values = ", ".join("?" * len(columns))
        with closing(sqlite3.connect(self.location, timeout=30)) as session:
            session.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})", map(_texts, records))
            session.commit()
            session.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def rows(self, statement: str) -> list[Record]:
        with closing(sqlite3.connect(self.location, timeout=30)) as session:
            return session.execute(statement).fetchall()

    def run(self, *statements: str) -> None:
        # With a gigabyte of cache; otherwise the pages of indexes with random keys would be read from the disk.
        fast = ("PRAGMA synchronous = OFF", "PRAGMA cache_size = -1000000")
        with closing(sqlite3.connect(self.location, timeout=60, isolation_level=None)) as session:
            for statement in (*fast, *statements):
                session.execute(statement).fetchall()

    def settle(self) -> None:
        self.run("ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)")
        os.sync()


def _texts(record: Record) -> Record:
    return tuple(str(value) if isinstance(value, datetime | UUID) else value for value in record)


class _Server(PostgresServer):
    """The server of the tests, but durable: it waits for the disk."""

    def start(self) -> None:
        settings = ("listen_addresses=127.0.0.1", "max_connections=300", "fsync=on", "synchronous_commit=on")
        options = " ".join([f"-p {self.port}", f"-k {self.folder}", *(f"-c {setting}" for setting in settings)])
        self._run("pg_ctl", "-D", "data", "-w", "-t", "60", "-l", "log", "-o", options, "start")


class Postgres(Engine):
    name = "postgres"
    durability = "fsync, full_page_writes and synchronous_commit on"

    def __init__(self, programs: Path) -> None:
        self._server = _Server(programs)
        self.version = str(self._session("SHOW server_version")[0][0])

    def create(self, name: str, template: Database | None = None) -> Database:
        copied = f' TEMPLATE "{template.location.rsplit("/", 1)[1]}"' if template else ""
        self._session(f'CREATE DATABASE "{name}"{copied}')
        return PostgresDatabase(self._server.url(name))

    def cpu(self) -> Cpu:
        return proc.cpu(self._server.pid)

    def close(self) -> None:
        self._server.remove()

    def _session(self, statement: str) -> list[Record]:
        return PostgresDatabase(self._server.url("postgres")).rows(statement)


class PostgresDatabase(Database):
    def __init__(self, url: str) -> None:
        self.url = self.location = url

    def insert(self, table: str, columns: Sequence[str], records: Iterable[Record]) -> None:
        async def copy() -> None:
            session = await _connect(self.url)
            await session.copy_records_to_table(table, columns=columns, records=records)
            await session.execute(f"VACUUM ANALYZE {table}")
            await session.execute("CHECKPOINT")
            await session.close()

        asyncio.run(copy())

    def rows(self, statement: str) -> list[Record]:
        async def fetch() -> list[Record]:
            session = await _connect(self.url)
            found = [tuple(row) for row in await session.fetch(statement)]
            await session.close()
            return found

        return asyncio.run(fetch())

    def run(self, *statements: str) -> None:
        async def execute() -> None:
            session = await _connect(self.url)
            for statement in statements:
                await session.execute(statement)
            await session.close()

        asyncio.run(execute())

    def settle(self) -> None:
        self.run("VACUUM ANALYZE", "CHECKPOINT")


def open_engine(name: str, folder: Path) -> Engine | None:
    """None when PostgreSQL's server is not installed."""
    if name == "sqlite":
        return Sqlite(folder / "sqlite")
    programs = binaries()
    return Postgres(programs) if programs else None
