"""The provider's own id of the user: asked for where the token answer doesn't have it, and added to the connection."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from models.connection import StoredConnection
from models.database import DatabaseDown
from models.grant import StoredGrant, set_account
from providers.errors import RequestFailed
from providers.oauth_client import find_account
from resolvers import audit
from resolvers.callback.claims import STORING, Attempt, fail
from resolvers.callback.exchange import Received
from resolvers.callback.giving_up import give_up
from resolvers.context import Context
from resolvers.errors import ProviderUnavailable

log = structlog.get_logger("tendon")

# Seconds that the user waits for the account at most, and that it may take after the lease.
_TIMEOUT: Final = 3.0
_BEYOND: Final = 0.5
# Seconds at least to store it.
_STORING: Final = 0.2


def log_account(stored: StoredGrant) -> None:
    """Log what the audit trail says of the connection, but not the account itself."""
    connection = stored.connection
    if stored.account_changed:
        log.warning("account.changed", provider=connection.provider, connection_id=connection.id)
    if stored.account_shared:
        log.warning("account.shared", provider=connection.provider, connection_id=connection.id)


async def with_account(context: Context, attempt: Attempt, received: Received) -> Received:
    """What the provider gave, with the account: where it decides whether the connection may be stored, it has to be
    known before.

    If it can't be had in time, the request ends, the tokens are given up, and a connection of before keeps its own.
    Raises ProviderUnavailable then, and what `fail` raises.
    """
    answer, provider = received.answer, attempt.registration.provider
    if answer.account is not None or provider.account is None:
        return received
    deadline = min(asyncio.get_running_loop().time() + _TIMEOUT, received.claim.until - STORING)
    try:
        account = await find_account(context.resources.client, provider, answer.access_token, deadline=deadline)
    except RequestFailed as fault:
        log.warning("account.unknown", provider=provider.slug, fault=str(fault))
        give_up(context, attempt, answer)
        problem = ProviderUnavailable("The provider does not say whose account this is. Start the connection again.")
        await fail(context, attempt, problem)
        raise problem from None
    return replace(received, answer=replace(answer, account=account))


async def add_account(context: Context, attempt: Attempt, received: Received, connection: StoredConnection) -> None:
    """Ask for the provider's own id of the user if the token answer had none. Store it, unless the connection was
    renewed meanwhile. The tokens are stored by now, so a failure is only logged."""
    answer, provider = received.answer, attempt.registration.provider
    if answer.account is not None or provider.account is None or connection.granted_at != received.granted_at:
        # It is known, or can't be known, or the stored tokens are newer ones, maybe of another account.
        return
    loop = asyncio.get_running_loop()
    deadline = min(loop.time() + _TIMEOUT, received.claim.until + _BEYOND)
    try:
        account = await find_account(context.resources.client, provider, answer.access_token, deadline=deadline)
        # This process may have stood still until the deadline or beyond it.
        async with asyncio.timeout(max(deadline - loop.time(), _STORING)):
            await _store_account(context, connection, account)
    except TimeoutError:
        log.warning("account.unknown", provider=provider.slug, fault="the database took too long")
    except RequestFailed as fault:
        log.warning("account.unknown", provider=provider.slug, fault=str(fault))
    except DatabaseDown as fault:
        log.warning("account.unknown", provider=provider.slug, fault=fault.reason)


async def _store_account(context: Context, connection: StoredConnection, account: str | None) -> None:
    user, provider = connection.user_id, connection.provider
    entry = await context.audit_entry(audit.COMPLETE, subject=user, provider=provider, outcome=audit.OK)
    stored = await set_account(context.resources.database, connection, account, entry)
    if stored:
        log_account(stored)
