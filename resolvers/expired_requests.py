"""Authorization requests whose time has passed: they are deleted, or ended if the holder of their claim died."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from models.authorization_request import abandon_request, past_claims, purge_requests
from models.database import DatabaseDown
from resolvers import audit
from resolvers.context import Context
from resolvers.errors import ProviderUnavailable

log = structlog.get_logger("tendon")

# Each authorize adds one row and removes up to this many, so the table can't outgrow its use.
_PURGED_AT_ONCE: Final = 20
# Time limit for this, in seconds.
_CLEARING: Final = 1.0


async def clear_expired(context: Context) -> None:
    """Delete some requests whose retention has passed, and end some whose holder died.

    The caller's own request is stored by then, so this takes a second at most. The next call continues.
    """
    database = context.resources.database
    try:
        async with asyncio.timeout(_CLEARING):
            for key, user in await past_claims(database, _PURGED_AT_ONCE):
                await abandon(context, key, user)
            await purge_requests(database, _PURGED_AT_ONCE)
    except DatabaseDown as fault:
        log.warning("purge.failed", error=fault.reason)
    except TimeoutError as fault:
        log.warning("purge.failed", error=type(fault).__name__)


async def abandon(context: Context, key: str, user: str) -> None:
    """End a request of `user` whose holder died: the code may be spent. Of several processes that try, one does it."""
    # Whoever comes across it, maybe by an authorize of their own, is not the actor: there is none.
    nobody = replace(context, caller=None)
    entry = await nobody.audit_entry(audit.COMPLETE, subject=user, provider=None, outcome=ProviderUnavailable.code)
    provider = await abandon_request(context.resources.database, key, entry)
    if provider is not None:
        log.warning("claim.abandoned", provider=provider)
