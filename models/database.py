"""The tables' database: opened once for a process, with one kind of transaction."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.context import TortoiseContext
from tortoise.transactions import in_transaction

from models.engine import DatabaseDown, Limits, UnsupportedDatabase, configuration
from models.file_modes import make_own_folder_private, make_private

__all__ = ["DatabaseDown", "Limits", "UnsupportedDatabase", "alive", "client_of", "opened", "transaction", "writable"]

APPS: Final[dict[str, Any]] = {
    "models": {
        "models": [
            "models.audit_event",
            "models.audit_key",
            "models.audit_subject",
            "models.authorization_request",
            "models.connection",
            "models.vault_key",
        ],
        "migrations": "models.migrations",
        "default_connection": "default",
    }
}
_USUAL: Final = Limits()


@asynccontextmanager
async def opened(url: str, limits: Limits = _USUAL) -> AsyncGenerator[TortoiseContext]:
    """The database, open for all tasks of this process while the block runs.

    An SQLite file is opened at once, which may raise DatabaseDown and OSError, including ReadableByOthers. PostgreSQL
    is connected to on demand.
    """
    database = TortoiseContext()
    connection = configuration(url, limits)
    # Without the fallback, tasks that the server starts outside this block would not see the database.
    async with database:
        await database.init(
            {"connections": {"default": connection}, "apps": APPS}, use_tz=True, _enable_global_fallback=True
        )
        if "file_path" in connection["credentials"]:
            _prepare_file(Path(connection["credentials"]["file_path"]))
            await alive(database)
        yield database


def client_of(database: TortoiseContext) -> BaseDBAsyncClient:
    """What runs statements outside the ORM."""
    return database.db("default")


async def alive(database: TortoiseContext) -> None:
    """Ask the database for nothing. Raises DatabaseDown."""
    await client_of(database).execute_script("SELECT 1")


async def writable(database: TortoiseContext) -> None:
    """Raises DatabaseDown when writes would fail. Writes nothing itself."""
    client: Any = client_of(database)
    await client.check_writable()


@asynccontextmanager
async def transaction() -> AsyncGenerator[TransactionalDBClient]:
    """All or nothing, or DatabaseDown. On SQLite it holds the write lock from its beginning."""
    async with in_transaction() as client:
        yield client


def _prepare_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_own_folder_private(path.parent)
    if path.is_dir():
        raise IsADirectoryError
    # Created here so that health data is never readable for other users of the machine, whatever the umask.
    path.touch(mode=0o600)
    if not _is_database(path):
        # Probably a mistyped path: the mode of that file is up to its owner.
        return
    # The write-ahead log and its index hold the same rows. If the path is a link, they are next to the file itself.
    for suffix in ("", "-wal", "-shm"):
        make_private(Path(f"{path.resolve()}{suffix}"))


def _is_database(path: Path) -> bool:
    """Whether SQLite would open it: it is empty, or starts with the header of SQLite's file format (section 1.3)."""
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")
