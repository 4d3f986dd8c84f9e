"""How much work is due for the worker, and which revocations providers have not confirmed: for `tendon status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from models.database import Database
from models.due_rows import ASKED
from models.revocation import STATUSES
from models.statement import Statement

MOST: Final = 10_000
"""More work than this is not counted."""

_COUNT: Final = """
    SELECT count(*), min(due_at) AS oldest_at, now() AS now_at
    FROM (SELECT due_at FROM {table} WHERE due_at <= now() ORDER BY due_at LIMIT :most) AS due"""
_CONNECTIONS: Final = Statement(_COUNT, table="connection")
_REVOCATIONS: Final = Statement(_COUNT, table="revocation")
# Ids are in the order of time.
_UNCONFIRMED: Final = Statement(
    """
    SELECT {asked}, status = {failed} AS failed, attempts > 0 AS tried, created_at, now() AS now_at
    FROM (SELECT provider, site, status, attempts, created_at FROM revocation WHERE id > :first
        ORDER BY id DESC LIMIT :looked_at) AS latest
    WHERE status IN ({pending}, {failed}) LIMIT :most""",
    asked=ASKED,
    **STATUSES,
)
_FIRST: Final = str(UUID(int=0))
_LOOKED_AT: Final = 10 * MOST


class Backlog(msgspec.Struct, frozen=True):
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


class UnconfirmedRevocation(msgspec.Struct, frozen=True):
    """A revocation that has failed, or has been pending for `age` seconds. `tried` says that it was sent. `provider`
    names the site, too, if the provider has several: `dexcom/eu`."""

    provider: str
    failed: bool
    tried: bool
    age: float


async def unconfirmed_revocations(database: Database) -> Sequence[UnconfirmedRevocation]:
    """The latest first, up to MOST. Raises DatabaseDown."""
    rows = await _UNCONFIRMED.rows(database, first=_FIRST, looked_at=_LOOKED_AT, most=MOST)
    return [
        UnconfirmedRevocation(provider, bool(failed), bool(tried), (now_at - created_at).total_seconds())
        for provider, failed, tried, created_at, now_at in rows
    ]
