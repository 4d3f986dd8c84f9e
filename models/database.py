"""The database of a process: an object that whoever starts the process opens, and that statements run on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any, Final, TypeVar

from tortoise.context import TortoiseContext
from tortoise.transactions import in_transaction

from models.engine import DatabaseDown, Limits, UnsupportedDatabase, configuration
from models.engine.work import Row, Values, Work
from models.file_modes import make_own_folder_private, make_private

__all__ = ["Database", "DatabaseDown", "Limits", "Session", "UnsupportedDatabase", "open_database"]

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
_DEFAULT: Final = Limits()

T = TypeVar("T")


class Session:
    """What statements run on: the database, where each is a transaction of its own, or one open transaction."""

    run: Callable[[Work, Values], Awaitable[Sequence[Row]]]
    """Runs SQL of this dialect, as `models.statement` prepares it. Raises DatabaseDown."""

    def __init__(self, client: Any) -> None:
        self.client = client
        """The ORM's client, for statements that exist in one dialect only."""
        self.dialect: str = client.capabilities.dialect
        self.run = client.run


class Database(Session):
    """An open database. All tasks of the process share it."""

    def __init__(self, orm: TortoiseContext) -> None:
        super().__init__(orm.db("default"))
        self.orm = orm
        self._context = copy_context()

    async def ping(self) -> None:
        """Raises DatabaseDown when the database doesn't answer."""
        await self.client.execute_script("SELECT 1")

    async def check_writable(self) -> None:
        """Raises DatabaseDown when writes would fail. Writes nothing itself."""
        await self.client.check_writable()

    async def run_exclusively(self, lock: int, work: Callable[[Session], Awaitable[T]]) -> T:
        """Run `work` in a transaction that no two processes are in at the same time for the same `lock`.

        Raises DatabaseDown, and what `work` raises, after a rollback.
        """
        # The transaction is the ORM's, which finds its connection in the context that it was opened in.
        return await asyncio.create_task(self._transact(lock, work), context=self._context.copy())

    async def _transact(self, lock: int, work: Callable[[Session], Awaitable[T]]) -> T:
        async with in_transaction() as client:
            session = Session(client)
            # SQLite has one writer at a time anyway.
            if session.dialect == "postgres":
                await session.client.execute_query("SELECT pg_advisory_xact_lock($1)", [lock])
            return await work(session)


@asynccontextmanager
async def open_database(url: str, limits: Limits = _DEFAULT) -> AsyncGenerator[Database]:
    """The database, open while the block runs.

    An SQLite file is opened at once, which may raise DatabaseDown and OSError, including ReadableByOthers. PostgreSQL
    is connected to on demand. The ORM's models work in this task and in those that it starts.
    """
    connection = configuration(url, limits)
    async with TortoiseContext() as orm:
        await orm.init({"connections": {"default": connection}, "apps": APPS}, use_tz=True)
        database = Database(orm)
        if "file_path" in connection["credentials"]:
            _prepare_file(Path(connection["credentials"]["file_path"]))
            await database.ping()
        yield database


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
