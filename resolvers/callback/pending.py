"""Callbacks whose account must be known before the connection gets their tokens. If it can't be had in time, the grant
is stored as pending, and the worker asks again (`settling.py`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog
from msgspec.structs import replace

from models.audit_event import AuditEntry
from models.connection import StoredConnection
from models.ids import new_id
from models.pending_grant import Held, PendingGrant, hold_grant
from models.revocation import NewRevocation
from providers.errors import RequestFailed
from providers.oauth_client import find_account
from resolvers.callback.claims import STORING, Attempt
from resolvers.callback.exchange import Received
from resolvers.context import Context, Registration

log = structlog.get_logger("tendon")

ACCOUNT_TIMEOUT: Final = 3.0
"""Seconds that the user waits for the account at most."""
# Seconds until the worker asks for it first.
_FIRST_WAIT: Final = 5.0


async def with_account(context: Context, registration: Registration, received: Received) -> Received:
    """What the provider gave, with the account if it can be had in time: where the account decides whether the
    connection may be stored, it should be known before."""
    answer = received.answer
    try:
        account = await ask_account(context, registration, answer.access_token, asking_deadline(received))
    except RequestFailed as fault:
        log.warning("account.unknown", provider=registration.key, fault=str(fault))
        return received
    return replace(received, answer=replace(answer, account=account))


def asking_deadline(received: Received) -> float:
    """Until when the provider may be asked about a grant that is not stored yet."""
    return min(asyncio.get_running_loop().time() + ACCOUNT_TIMEOUT, received.claim.until - STORING)


async def hold(
    context: Context, attempt: Attempt, received: Received, scopes: Sequence[str], entry: AuditEntry
) -> StoredConnection | None:
    """Store what the provider gave as a pending grant. None in the cases of `store_grant`. Raises DatabaseDown."""
    resources, binding, claim, answer = context.resources, attempt.binding, received.claim, received.answer
    grant = PendingGrant(
        answer.access_token,
        answer.refresh_token,
        user=binding.user_id,
        requested=claim.request.scopes,
        granted=scopes,
        expires_at=answer.expires_at,
        granted_at=received.granted_at,
    )
    id_ = new_id()
    subject, material = (
        await resources.pseudonyms.of(binding.user_id),
        grant.seal(resources.vault, id_, binding.provider, binding.site),
    )
    held = Held(
        NewRevocation(id_, binding.provider, binding.site, subject, None, material),
        granted_at=received.granted_at,
        granted_by=received.granted_at + timedelta(seconds=claim.error),
        due_in=_FIRST_WAIT,
    )
    return await hold_grant(resources.database, binding, attempt.owner, held, claim.request.version, entry)


async def ask_account(context: Context, registration: Registration, access_token: str, deadline: float) -> str | None:
    """The provider's own id of the user. `deadline` is a time of the running loop. Raises RequestFailed."""
    provider, resources = registration.provider, context.resources
    with await resources.provider_limits.account_permit(registration.key):
        return await find_account(resources.client, provider, registration.credentials, access_token, deadline)
