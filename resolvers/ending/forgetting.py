"""Forgetting revocations that ended long ago, as the worker does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from models.clock import read_clock
from models.revocation import TRIED_UNSENT, find_ended_before, forget_revocations
from resolvers.context import Context
from resolvers.due_work import DueWork

# For how long a revocation is shown after its end, at least.
_SHOWN: Final = timedelta(days=7)
# Rows that one statement deletes.
_BATCH: Final = 100


async def due(context: Context, _most: int) -> Sequence[DueWork]:
    """One piece of work, if there are old revocations. Raises DatabaseDown."""
    oldest = await find_ended_before(context.resources.database, await _before(context))
    return [] if oldest is None else [DueWork("revocations", oldest)]


async def forget(context: Context, _id: str = "") -> None:
    """Delete all old revocations. Raises DatabaseDown."""
    before = await _before(context)
    while len(await forget_revocations(context.resources.database, before, _BATCH)) == _BATCH:
        pass


async def _before(context: Context) -> str:
    """The id of a revocation that was made at the time before which they are old. Ids begin with the milliseconds
    since 1970 (RFC 9562 5.7)."""
    kept = TRIED_UNSENT + max(context.resources.retention, _SHOWN)
    milliseconds = int((await read_clock(context.resources.database) - kept).timestamp() * 1000)
    return str(UUID(int=milliseconds << 80))
