"""Finds the pending migrations of a database by name, without loading the migrations or the ORM."""

from __future__ import annotations

import pkgutil
from typing import Final

from models import migrations
from models.database import Database, DatabaseDown
from models.statement import Statement

_APPLIED: Final = Statement("SELECT name FROM tortoise_migrations WHERE app = 'models'")
_NO_TABLE: Final = ("42P01", "SQLITE_ERROR")
_NAMES: Final = sorted(module.name for module in pkgutil.iter_modules(migrations.__path__))


async def pending_migrations(database: Database) -> list[str]:
    """The names of the migrations that the open database still lacks, in their order. Raises DatabaseDown."""
    applied = await _applied(database)
    return [name for name in _NAMES if name not in applied]


async def _applied(database: Database) -> set[str]:
    try:
        rows = await _APPLIED.rows(database)
    except DatabaseDown as fault:
        # If there is no such table, no migration was applied.
        if not fault.reason.endswith(_NO_TABLE):
            raise
        return set()
    return {name for (name,) in rows}
