"""Migrations: bringing the tables to what the models say, by one process at a time."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tortoise.migrations.executor import MigrationExecutor

from models.database import APPS, open_database
from models.engine import Limits, configuration

# PostgreSQL's number of our lock: "tendon" in ASCII.
_LOCK: Final = int.from_bytes(b"tendon")
# Building an index on a large table takes its time.
_PATIENT: Final = Limits(connections=2, seconds=None)

# For `make migrations`. The file is opened by the tool and holds nothing.
CONFIGURATION: Final = {
    "connections": {"default": configuration("sqlite://.tendon/migrations.db", _PATIENT)},
    "apps": APPS,
}


async def migrate(url: str) -> list[str]:
    """Bring the database to the newest migration. Returns the names of those applied now.

    Of several that are started at once each waits for the one before. Raises DatabaseDown.
    """
    applied: list[str] = []

    def note(event: str, _app: str, name: str) -> None:
        if event == "apply_done":
            applied.append(name)

    async with open_database(url, _PATIENT) as database, _alone(configuration(url, _PATIENT)["credentials"]):
        await MigrationExecutor(database.client, APPS).migrate(direction="forward", progress=note)
    return applied


@asynccontextmanager
async def _alone(credentials: dict[str, Any]) -> AsyncGenerator[None]:
    if "file_path" in credentials:
        async with _file_locked(Path(credentials["file_path"])):
            yield
        return
    # Imported here, so that a process on SQLite never loads the driver.
    from models.engine.asyncpg import locked  # noqa: PLC0415

    async with locked(credentials, _LOCK):
        yield


@asynccontextmanager
async def _file_locked(path: Path) -> AsyncGenerator[None]:
    """By a lock on the folder. One on the file itself would meet SQLite's own when it is closed."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        await asyncio.to_thread(fcntl.flock, folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
