"""Opening the database, its one kind of transaction, and its migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tortoise.backends.base.client import TransactionalDBClient
from tortoise.context import TortoiseContext
from tortoise.exceptions import DBConnectionError, OperationalError
from tortoise.migrations.executor import MigrationExecutor
from tortoise.transactions import in_transaction

_APPS: Final[dict[str, Any]] = {
    "models": {
        "models": ["models.audit_event", "models.authorization_request", "models.connection"],
        "migrations": "models.migrations",
        "default_connection": "default",
    }
}

# How long one process waits for another's write lock on the same SQLite file, in milliseconds.
_BUSY_TIMEOUT: Final = 5000

# What a database raises that can't be reached, is locked, full or closing. A commit's error comes as SQLite's own.
DATABASE_DOWN: Final = (DBConnectionError, OperationalError, sqlite3.OperationalError)


class UnsupportedDatabase(ValueError):
    """The URL names no database that Tendon can open."""


def configuration(url: str) -> dict[str, Any]:
    """Tortoise's configuration for `sqlite://PATH`. Raises UnsupportedDatabase."""
    path = url.removeprefix("sqlite://")
    if path == url or path in ("", ":memory:"):
        raise UnsupportedDatabase("must be sqlite://PATH")
    credentials = {"file_path": path, "busy_timeout": _BUSY_TIMEOUT}
    return {
        "connections": {"default": {"engine": "tortoise.backends.sqlite", "credentials": credentials}},
        "apps": _APPS,
    }


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[TortoiseContext]:
    """The database for as long as the block runs, for every task of this process."""
    database = TortoiseContext()
    settings = configuration(url)
    _prepare_folder(settings)
    # Without the fallback, tasks that the server starts outside this block would not see the database.
    async with database:
        await database.init(settings, use_tz=True, _enable_global_fallback=True)
        # Tortoise connects on first use, and a first use that fails or is cancelled keeps the lock for ever. Not here.
        await database.db("default").execute_script("SELECT 1")
        yield database


@asynccontextmanager
async def transaction() -> AsyncGenerator[TransactionalDBClient]:
    """All or nothing. Let the first statement be a write: SQLite can't turn a reader into a writer under contention.

    A task that is cancelled inside Tortoise's own `__aenter__` would leave the connection taken for ever, so what it
    had taken is given back here. Use this one only.
    """
    context = in_transaction()
    try:
        client = await context.__aenter__()
    except BaseException as failure:
        if hasattr(context, "token"):
            await context.__aexit__(type(failure), failure, failure.__traceback__)
        raise
    try:
        yield client
    except BaseException as failure:
        await context.__aexit__(type(failure), failure, failure.__traceback__)
        raise
    await context.__aexit__(None, None, None)


async def migrate(url: str) -> list[str]:
    """Bring the database to the newest migration. Returns the names of those applied now."""
    applied: list[str] = []

    def note(event: str, _app: str, name: str) -> None:
        if event == "apply_done":
            applied.append(name)

    async with opened(url) as database:
        await _executor(database).migrate(direction="forward", progress=note)
    return applied


async def pending_migrations(database: TortoiseContext) -> list[str]:
    """The names of the migrations that the open database still lacks."""
    return [step.migration.name for step in await _executor(database).plan()]


def _executor(database: TortoiseContext) -> MigrationExecutor:
    return MigrationExecutor(database.db("default"), _APPS)


def _prepare_folder(settings: dict[str, Any]) -> None:
    path = Path(settings["connections"]["default"]["credentials"]["file_path"])
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError
    # Created here so that health data is never readable for other users of the machine, whatever the umask.
    path.touch(mode=0o600)


# For `make migrations`. The file is opened by the tool and holds nothing.
MIGRATION_CONFIGURATION: Final = configuration("sqlite://.tendon/migrations.db")
