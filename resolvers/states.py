"""How long authorization requests are remembered, what is stored of a state, and the clearing away of what is past."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog

from models.database import DatabaseDown
from models.statement import Statement
from resolvers import audit
from resolvers.context import Context
from resolvers.errors import ProviderUnavailable

log = structlog.get_logger("tendon")

# From authorize to callback.
LIFE: Final = timedelta(minutes=10)
# A spent request answers repeated callbacks for this long.
REMEMBERED: Final = timedelta(days=7)
# Each authorize adds one row and takes away up to this many of those past, so the table can't outgrow its use.
_PURGED_AT_ONCE: Final = 20
# Time limit for this, in seconds.
_CLEARING: Final = 1.0

# In this order, or PostgreSQL may read all of the table: it hopes to come across some past ones soon.
_PAST: Final = Statement(
    """
    SELECT state_hash, status, user_id FROM authorization_request WHERE purge_after < now()
    ORDER BY purge_after LIMIT :most""",
)
_PURGE: Final = Statement(
    """
    DELETE FROM authorization_request WHERE state_hash IN (
        SELECT state_hash FROM authorization_request WHERE purge_after < now() AND status <> 'exchanging'
        ORDER BY purge_after LIMIT :most FOR UPDATE SKIP LOCKED)""",
)
_ABANDON: Final = Statement(
    """
    UPDATE authorization_request
    SET status = 'failed', error = :outcome, verifier = NULL, lease_until = NULL, purge_after = after(:remembered)
    WHERE state_hash = :key AND status = 'exchanging' AND lease_until <= now()
    RETURNING provider""",
    audit.RECORDED_OF_ROW,
)


def state_hash(state: str) -> str:
    """Who reads the database can't finish anybody's flow: only this hash of the state lies there."""
    return hashlib.sha256(state.encode()).hexdigest()


async def clear_away(context: Context) -> None:
    """Delete some requests whose retention has passed, and end some whose holder died.

    The caller's own request is done by then, so this takes at most a moment. The next call continues.
    """
    database = context.resources.database
    try:
        async with asyncio.timeout(_CLEARING):
            for key, status, user in await _PAST.rows(database, most=_PURGED_AT_ONCE):
                if status == "exchanging":
                    await abandon(context, key, user)
            await _PURGE.rows(database, most=_PURGED_AT_ONCE)
    except DatabaseDown as fault:
        log.warning("purge.failed", error=fault.reason)
    except TimeoutError as fault:
        log.warning("purge.failed", error=type(fault).__name__)


async def abandon(context: Context, key: str, user: str) -> None:
    """End a request of `user` whose holder died: the code may be spent. Of several processes that notice it, one does
    it."""
    # Nobody did it: whoever came across it, maybe by an authorize of their own, has no part in it.
    nobody = replace(context, caller=None)
    event = await audit.event(nobody, audit.COMPLETE, subject=user, provider=None, outcome=ProviderUnavailable.code)
    row = await _ABANDON.row(context.resources.database, key=key, remembered=REMEMBERED.total_seconds(), **event)
    if row:
        log.warning("claim.abandoned", provider=row[0])
