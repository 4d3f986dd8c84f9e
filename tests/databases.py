"""The databases that everything is tested on, looked at from outside of Tendon."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg

from models.engine import digest
from models.migrating import migrate

ENGINES = ["sqlite", "postgres"]
_ROOT = Path(__file__).parents[1]
CACHE = _ROOT / ".pytest_cache" / "migrated"
"""Databases that earlier runs have made, to copy."""


class Database(ABC):
    """One database of the engine. `url` is what TENDON_DATABASE_URL takes."""

    engine: str
    url: str

    @abstractmethod
    async def fetch(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        """Run one statement, with `$1` and so on for values, and have its rows."""

    async def value(self, statement: str, *values: Any) -> Any:
        rows = await self.fetch(statement, *values)
        return rows[0][0] if rows else None


class SqliteFile(Database):
    engine = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite://{path}"

    async def fetch(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        return await asyncio.to_thread(self._fetch, re.sub(r"\$\d+", "?", statement), values)

    def _fetch(self, statement: str, values: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=10)) as session:
            session.create_function("digest", -1, digest)
            return session.execute(statement, values).fetchall()


def create_migrated_file(path: Path) -> Path:
    """An SQLite file with all tables and no rows."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(_migrated_file())
    path.chmod(0o600)
    return path


@cache
def migrations() -> str:
    """A digest of all that decides what migrations do. What they have made is kept as long as it is the same."""
    read = hashlib.sha256()
    for path in (_ROOT / "requirements.lock", *sorted((_ROOT / "models").rglob("*.py"))):
        read.update(path.read_bytes())
    return read.hexdigest()[:16]


@cache
def _migrated_file() -> bytes:
    kept = CACHE / f"{migrations()}.db"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        # Tests run in several processes.
        own = kept.with_suffix(f".{os.getpid()}")
        own.write_bytes(_newly_migrated_file())
        own.rename(kept)
        for outdated in {*CACHE.glob("*.db")} - {kept}:
            outdated.unlink(missing_ok=True)
    return kept.read_bytes()


def _newly_migrated_file() -> bytes:
    folder = Path(tempfile.mkdtemp(prefix="tendon-migrated-"))
    try:
        # In a thread, because a test's event loop may be running in this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, migrate(f"sqlite://{folder}/tendon.db")).result()
        return (folder / "tendon.db").read_bytes()
    finally:
        shutil.rmtree(folder)


class PostgresDatabase(Database):
    engine = "postgres"

    def __init__(self, url: str) -> None:
        self.url = url

    async def fetch(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        session = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await session.fetch(statement, *values)]
        finally:
            await session.close()
