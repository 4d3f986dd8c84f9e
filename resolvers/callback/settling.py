"""Settling pending grants, as the worker does: it asks for their accounts until they are known or can't be known any
more, and stores the grants whose account nobody else has."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from models.account_owner import TakenAccount
from models.audit_event import AuditEntry
from models.pending_grant import PendingGrant, drop_grant, postpone, promote_grant
from models.revocation_delivery import PendingRevocation
from models.token_row import TokenRow, find_tokens
from models.vault import VaultError
from providers.entry.provider import Provider, site_key
from providers.errors import RequestFailed
from providers.refresh_time import due_in
from resolvers import audit
from resolvers.callback.giving_up import Replacing
from resolvers.callback.pending import ask_account
from resolvers.callback.store import revokes_replaced
from resolvers.context import Context, Registration
from resolvers.errors import AccountTaken, ProviderUnavailable

log = structlog.get_logger("tendon")

# For how many seconds the account is asked for at most, if the access token doesn't expire before.
_LONGEST: Final = timedelta(days=1).total_seconds()
# Seconds until it is asked for again: this part of the grant's age, but no less than the first wait and no more than
# the longest, give or take a part of it.
_GROWTH: Final = 0.5
_FIRST_WAIT: Final = 5.0
_LONGEST_WAIT: Final = 900.0
_JITTER: Final = 0.2


async def settle(context: Context, row: PendingRevocation) -> None:
    """Ask for the account of a pending grant, whose revocation is `row`, and store the grant if nobody else has the
    account. Safe to run twice, and in several processes. Raises DatabaseDown, and ServiceUnavailable."""
    resources = context.resources
    await resources.check_can_seal()
    try:
        grant = PendingGrant.open(resources.vault, row.id, row.material, row.provider, row.site)
    except VaultError as fault:
        log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key id is enough
        return
    left = _seconds_left(row, grant)
    if not await postpone(resources.database, row.id, _wait(row.age, left)):
        return
    registration = resources.registrations.get(site_key(row.provider, row.site))
    if left <= 0:
        # Whose tokens they are is not known, so they may be revoked only where that ends nothing else.
        await _drop(context, row, ProviderUnavailable.code)
    elif registration is not None:
        await _settle(context, row, registration, grant)


def _seconds_left(row: PendingRevocation, grant: PendingGrant) -> float:
    """Until the account can't be asked for any more."""
    until_expiry = (grant.expires_at - row.read_at).total_seconds() if grant.expires_at else _LONGEST
    return min(until_expiry, _LONGEST - row.age)


def _wait(age: float, left: float) -> float:
    usual = min(max(_GROWTH * age, _FIRST_WAIT), _LONGEST_WAIT)
    usual *= random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load only
    return usual if left <= 0 else min(usual, left)


async def _settle(context: Context, row: PendingRevocation, registration: Registration, grant: PendingGrant) -> None:
    provider = registration.provider
    deadline = asyncio.get_running_loop().time() + context.resources.provider_timeout
    try:
        account = await ask_account(context, registration, grant.access_token, deadline)
    except RequestFailed as fault:
        log.warning("account.unknown", provider=provider.key, connection_id=row.connection_id, fault=str(fault))
        return
    try:
        await _promote(context, row, provider, grant, account)
    except TakenAccount:
        log.warning("account.taken", provider=provider.slug, connection_id=row.connection_id)
        await _drop(context, row, AccountTaken.code)


async def _promote(
    context: Context, row: PendingRevocation, provider: Provider, grant: PendingGrant, account: str | None
) -> None:
    """Raises TakenAccount."""
    resources = context.resources
    # Read again whenever the connection has changed since: its tokens are refreshed meanwhile.
    while (connection := await _awaiting(context, row)) is not None:
        if connection.granted_at > grant.granted_at:
            # A process of the previous version has stored newer tokens, so this grant is only waited for to end.
            return
        stored = await promote_grant(
            resources.database,
            resources.vault,
            connection,
            grant,
            account,
            await _entry(context, connection, audit.OK, grant.granted),
            due_in=due_in(
                provider.token,
                grant.expires_at,
                connection.id,
                now=connection.read_at,
                has_refresh_token=grant.refresh_token is not None,
            ),
            exclusive=resources.account_policy == "reject",
            replacement=Replacing(context, grant.user, provider.slug, provider.site, grant)
            if revokes_replaced(provider, connection.account, account)
            else None,
        )
        if stored is not None:
            for event in stored.account_events:
                log.warning(event, provider=provider.slug, connection_id=connection.id)
            log.info("connection.completed", provider=provider.slug, connection_id=connection.id)
            return


async def _drop(context: Context, row: PendingRevocation, outcome: str) -> None:
    """Where a revocation ends more than these tokens, it would end the connection of whoever has the account, so they
    are only erased."""
    entry = context.resources.catalogue.get(row.provider)
    revokes = entry is None or not entry.revocation_ends_other_tokens
    connection = await _awaiting(context, row)
    if connection is None:
        return
    recorded = await _entry(context, connection, outcome)
    if await drop_grant(context.resources.database, connection, recorded, revokes=revokes):
        log.warning("grant.dropped", provider=row.provider, connection_id=connection.id, reason=outcome)


async def _awaiting(context: Context, row: PendingRevocation) -> TokenRow | None:
    """The connection, if this is still its pending grant."""
    connection = await find_tokens(context.resources.database, row.connection_id or "")
    return connection if connection is not None and connection.pending_grant == row.id else None


async def _entry(context: Context, row: TokenRow, outcome: str, scopes: Sequence[str] = ()) -> AuditEntry:
    return await context.audit_entry(
        audit.COMPLETE,
        subject=row.user_id,
        provider=row.provider,
        outcome=outcome,
        connection_id=row.id,
        scopes=scopes,
    )
