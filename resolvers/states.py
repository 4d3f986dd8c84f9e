"""How long authorization requests are remembered, what is stored of a state, and the clearing away of what is past."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog

from models.database import DatabaseDown, transaction
from models.statement import Statement
from resolvers import audit
from resolvers.context import Context
from resolvers.errors import ProviderUnavailable

log = structlog.get_logger("tendon")

# From authorize to callback.
LIFE: Final = timedelta(minutes=10)
# A spent request answers repeated callbacks for this long.
REMEMBERED: Final = timedelta(days=7)
# Each authorize adds one row and takes away up to this many, so the table can't outgrow its use.
_PURGED_AT_ONCE: Final = 20

_PAST: Final = Statement(
    """
    SELECT state_hash, status FROM authorization_request WHERE purge_after < now() LIMIT $1""",
)
_PURGE: Final = Statement(
    """
    DELETE FROM authorization_request WHERE state_hash IN (
        SELECT state_hash FROM authorization_request WHERE purge_after < now() AND status <> 'exchanging'
        LIMIT $1 FOR UPDATE SKIP LOCKED)""",
)
_ABANDON: Final = Statement(
    """
    UPDATE authorization_request
    SET status = 'failed', error = $2, verifier = NULL, lease_until = NULL, purge_after = after($3)
    WHERE state_hash = $1 AND status = 'exchanging' AND lease_until <= now()
    RETURNING user_id, provider""",
)


def state_hash(state: str) -> str:
    """Who reads the database can't finish anybody's flow: only this hash of the state lies there."""
    return hashlib.sha256(state.encode()).hexdigest()


async def clear_away(context: Context) -> None:
    """Delete some of the requests that are past remembering, and end some whose holder died."""
    try:
        past = await _PAST.rows(_PURGED_AT_ONCE)
        for row in past:
            if row["status"] == "exchanging":
                await abandon(context, row["state_hash"])
        if past:
            await _PURGE.rows(_PURGED_AT_ONCE)
    except DatabaseDown as fault:
        # Whoever asked has what they came for. The next one clears away more.
        log.warning("purge.failed", error=fault.reason)


async def abandon(context: Context, key: str) -> None:
    """End a request whose holder died: the code may be spent. Of several who see it, one does it."""
    async with transaction():
        row = await _ABANDON.row(key, ProviderUnavailable.code, REMEMBERED.total_seconds())
        if row:
            log.warning("claim.abandoned", provider=row["provider"])
            # Nobody did it: whoever came across it, maybe by an authorize of their own, has no part in it.
            await audit.record(
                replace(context, caller=None),
                audit.COMPLETE,
                subject=row["user_id"],
                provider=row["provider"],
                outcome=ProviderUnavailable.code,
            )
