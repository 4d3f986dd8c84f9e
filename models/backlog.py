"""How much work is due for the worker: for `tendon status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.database import Database
from models.statement import Statement

MOST: Final = 10_000
"""More work than this is not counted."""

_COUNT: Final = """
    SELECT count(*), min(due_at) AS oldest_at, now() AS now_at
    FROM (SELECT due_at FROM {table} WHERE due_at <= now() ORDER BY due_at LIMIT :most) AS due"""
_CONNECTIONS: Final = Statement(_COUNT, table="connection")
_REVOCATIONS: Final = Statement(_COUNT, table="revocation")


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many pieces of work are due, up to MOST, and for how many seconds the oldest one has been."""

    due: int
    late: float


async def backlog(database: Database) -> Mapping[str, Backlog]:
    """By the name of the table that the work is on. Raises DatabaseDown."""
    found: dict[str, Backlog] = {}
    for table, statement in (("connection", _CONNECTIONS), ("revocation", _REVOCATIONS)):
        [(due, oldest_at, now_at)] = await statement.rows(database, most=MOST)
        found[table] = Backlog(due, (now_at - oldest_at).total_seconds() if oldest_at else 0)
    return found
