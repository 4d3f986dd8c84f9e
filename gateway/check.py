"""The database at the command line: looked at before anything is served, and migrated, with errors a person can use."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from gateway.settings import SettingsError
from models.database import DATABASE_DOWN, migrate, opened, pending_migrations
from resolvers.failures import database_error


async def check_database(url: str) -> None:
    """Raises SettingsError when the database can't be opened or lacks migrations."""
    with _told():
        async with opened(url) as database:
            pending = await pending_migrations(database)
    if pending:
        raise SettingsError(f"the database lacks {', '.join(pending)}: run `tendon migrate`")


async def migrate_database(url: str) -> list[str]:
    """The names of the migrations applied. Raises SettingsError when the database can't be opened."""
    with _told():
        return await migrate(url)


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except (*DATABASE_DOWN, sqlite3.DatabaseError, OSError) as fault:
        raise SettingsError(f"TENDON_DATABASE_URL: the database can't be used ({database_error(fault)})") from None
