"""The database's clock."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from models.database import Database
from models.statement import Statement

_CLOCK: Final = Statement("SELECT now() AS read_at")


async def read_clock(database: Database) -> datetime:
    """Raises DatabaseDown."""
    ((now,),) = await _CLOCK.rows(database)
    return now
