"""How much work is due for the worker: for `tendon status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.database import Database
from models.statement import Statement

_CONNECTIONS: Final = Statement(
    "SELECT count(*), min(due_at) AS oldest_at, now() AS now_at FROM connection WHERE due_at <= now()"
)
_REVOCATIONS: Final = Statement(
    "SELECT count(*), min(due_at) AS oldest_at, now() AS now_at FROM revocation WHERE due_at <= now()"
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many pieces of work are due, and for how many seconds the oldest one has been."""

    due: int
    late: float


async def backlog(database: Database) -> Mapping[str, Backlog]:
    """By the name of the table that the work is on. Raises DatabaseDown."""
    found: dict[str, Backlog] = {}
    for table, statement in (("connection", _CONNECTIONS), ("revocation", _REVOCATIONS)):
        [(due, oldest_at, now_at)] = await statement.rows(database)
        found[table] = Backlog(due, (now_at - oldest_at).total_seconds() if oldest_at else 0)
    return found
