"""The provider's own id of the user, asked for where the token answer has none."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from models.connection import StoredConnection
from models.database import DatabaseDown
from providers.errors import ProviderFault
from providers.oauth_client import find_account
from providers.provider import Provider
from resolvers import renewal
from resolvers.context import Context
from resolvers.exchanging import Received

# Seconds that the user waits for it at most, and that it may take after the lease.
_PATIENCE: Final = 3.0
_BEYOND: Final = 0.5
# Seconds at least to write it down.
_NAMING: Final = 0.2

log = structlog.get_logger("tendon")


async def name_account(context: Context, provider: Provider, received: Received, connection: StoredConnection) -> None:
    """The tokens are stored by now: this is good to have and never worth them."""
    answer = received.answer
    if answer.account is not None or provider.account is None or connection.granted_at != received.granted_at:
        # Known, not to be known, or the tokens there are newer ones, maybe of another account.
        return
    loop = asyncio.get_running_loop()
    deadline = min(loop.time() + _PATIENCE, received.claim.until + _BEYOND)
    try:
        account = await find_account(context.resources.client, provider, answer.access_token, deadline=deadline)
        # This process may have stood still until the deadline or beyond it.
        async with asyncio.timeout(max(deadline - loop.time(), _NAMING)):
            await renewal.name_account(context, connection, account)
    except TimeoutError:
        log.warning("account.unknown", provider=provider.slug, fault="the database took too long")
    except ProviderFault as fault:
        log.warning("account.unknown", provider=provider.slug, fault=str(fault))
    except DatabaseDown as fault:
        log.warning("account.unknown", provider=provider.slug, fault=fault.reason)
