"""A look at the database before anything is served."""

from __future__ import annotations

from gateway.settings import SettingsError
from models.database import DATABASE_DOWN, opened, pending_migrations


async def check_database(url: str) -> None:
    """Raises SettingsError when the database can't be opened or lacks migrations."""
    try:
        async with opened(url) as database:
            pending = await pending_migrations(database)
    except (*DATABASE_DOWN, OSError) as fault:
        raise SettingsError(f"TENDON_DATABASE_URL: the database can't be opened ({type(fault).__name__})") from None
    if pending:
        raise SettingsError(f"the database lacks {', '.join(pending)}: run `tendon migrate`")
