"""How long authorization requests are remembered, and what is stored of a state."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from models.authorization_request import AuthorizationRequest

# From authorize to callback.
LIFE: Final = timedelta(minutes=10)
# A spent request answers repeated callbacks for this long.
REMEMBERED: Final = timedelta(days=7)
# Each authorize adds one row and takes away up to this many, so the table can't outgrow its use.
_PURGED_AT_ONCE: Final = 20


def state_hash(state: str) -> str:
    """Who reads the database can't finish anybody's flow: only this hash of the state lies there."""
    return hashlib.sha256(state.encode()).hexdigest()


async def purge() -> None:
    """Delete some of the requests that are past remembering."""
    past = AuthorizationRequest.filter(purge_after__lt=datetime.now(UTC))
    keys = await past.limit(_PURGED_AT_ONCE).values_list("state_hash", flat=True)
    if keys:
        await past.filter(state_hash__in=list(keys)).delete()
