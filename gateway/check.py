"""The database at the command line: looked at before anything is served, with errors a person can use."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import structlog

from gateway.settings import SettingsError
from models.database import DatabaseDown, Limits, alive, opened
from models.pending import pending_migrations

log = structlog.get_logger("tendon")

# What no waiting mends.
_OURS: Final = ("ClientConfigurationError", "InsufficientPrivilegeError")


async def check_database(url: str, limits: Limits) -> None:
    """Raises SettingsError for a file that can't be used, and for a database that lacks migrations.

    A database server may be away when a process starts: that is said in the log, and by readiness until it is back.
    """
    with told():
        try:
            pending = await _pending(url, limits)
        except DatabaseDown as fault:
            if url.startswith("sqlite:") or fault.reason.startswith(_OURS):
                raise
            log.warning("database.away", reason=fault.reason)
            return
    if pending:
        raise SettingsError(f"the database lacks {', '.join(pending)}: run `tendon migrate`")


async def _pending(url: str, limits: Limits) -> list[str]:
    async with opened(url, limits) as database:
        await alive(database)
        return await pending_migrations(database)


@contextmanager
def told() -> Generator[None]:
    """Raises SettingsError in place of what says that the database can't be used."""
    try:
        yield
    except DatabaseDown as fault:
        hint = ": this role may not do that; docs/operating.md has the rights" if "42501" in fault.reason else ""
        raise SettingsError(f"TENDON_DATABASE_URL: the database can't be used ({fault.reason}){hint}") from None
    except OSError as fault:
        raise SettingsError(f"TENDON_DATABASE_URL: the database can't be used ({type(fault).__name__})") from None
