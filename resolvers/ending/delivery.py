"""Delivering revocations: whether one may be sent now, when it is tried again, and when that ends.

A revocation that ends more than its own tokens must not reach a grant that is in use: one that another connection has
on the same account, or that the user has given by connecting again. Whatever can't be known for certain is tried again,
for a week, or for two if nothing can be sent.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from models.audit_event import AuditEntry
from models.revocation import TRIED, TRIED_UNSENT, RevocationStatus, open_material
from models.revocation_delivery import (
    PendingRevocation,
    Postponement,
    find_due,
    find_obstacles,
    find_pending,
    finish,
    postpone,
    take,
)
from models.vault import VaultError
from providers.entry.provider import site_key
from providers.errors import HeldBack, wait_of
from providers.provider_limit import Use
from resolvers import audit
from resolvers.callback.settling import settle
from resolvers.context import Context
from resolvers.due_work import DueWork
from resolvers.ending.sending import Done, Later, Prepared, Sender, SendingTime
from resolvers.errors import ServiceUnavailable

log = structlog.get_logger("tendon")

# For how long a revocation is tried, in seconds, and while nothing can be sent.
_LONGEST: Final = TRIED.total_seconds()
_LONGEST_UNSENT: Final = TRIED_UNSENT.total_seconds()
# Seconds until the next try: this part of the revocation's age, but no less than the first wait and no more than the
# longest, give or take a part of it.
_GROWTH: Final = 0.5
_FIRST_WAIT: Final = 5.0
_LONGEST_WAIT: Final = timedelta(hours=6).total_seconds()
_JITTER: Final = 0.2
# Seconds after which a stray request can't be handled any more, by a provider that is not in the catalogue now.
_QUIET: Final = 60.0
# Seconds to wait for a slot among the revocations at a provider. No request waits for it.
_SLOT_TIMEOUT: Final = 5.0

_SHARED: Final = Later("another user's connection is on the same account")
_NO_KEY: Final = Later("this worker's vault keys are missing or wrong")
_EXCHANGING: Final = Later("a callback for the user or the account is in progress")


async def due(context: Context, most: int) -> Sequence[DueWork]:
    """Up to `most` revocations that are due. Raises DatabaseDown."""
    rows = await find_due(context.resources.database, most)
    return [DueWork(row.id, row.due_at.isoformat(), row.key) for row in rows]


async def deliver(context: Context, revocation_id: str) -> None:
    """Send a revocation, if it is still due and nothing prevents it; that of a pending grant waits for the account.
    Raises DatabaseDown: what is not written then is tried again when the lease is over. Raises ServiceUnavailable."""
    database = context.resources.database
    row = await find_pending(database, revocation_id)
    if row is None:
        return
    if row.is_awaited:
        await settle(context, row)
        return
    prepared = await _prepare(context, row)
    if prepared is _NO_KEY and row.age < _LONGEST_UNSENT:
        # Another worker may have the key. It would have to wait if this one postponed the revocation.
        return
    owner, sending_time = secrets.token_hex(16), SendingTime(context.resources.provider_timeout)
    lease = {"lease": sending_time.lease, "quiet": _quiet(context, row)}
    if isinstance(prepared, Later):
        if await take(database, row, owner, **lease):
            await _conclude(context, row, owner, prepared)
        return
    with prepared.permit:
        if not await take(database, row, owner, **lease):
            prepared.permit.leave_unused()
            return
        # From here on, callbacks see the lease.
        outcome = await _obstacle(context, row, prepared)
        if outcome is None:
            outcome = await Sender(context, row, prepared, owner, sending_time).send()
        if not outcome.sent:
            prepared.permit.leave_unused()
    await _conclude(context, row, owner, outcome)


async def _prepare(context: Context, row: PendingRevocation) -> Prepared | Later:
    """All that takes time or may fail comes before the lease. What is missing here, another process may have."""
    resources = context.resources
    registration = resources.registrations.get(site_key(row.provider, row.site))
    if registration is None:
        return Later("the provider is not configured")
    try:
        # A refresh would give new ones to encrypt.
        await resources.check_can_seal()
        material = open_material(resources.vault, row.id, row.material, row.provider, row.site)
    except ServiceUnavailable:
        return _NO_KEY
    except VaultError as fault:
        log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key id is enough
        return _NO_KEY
    try:
        permit = await resources.provider_limits.of(registration.key).permit(_SLOT_TIMEOUT, Use.REVOCATION)
    except HeldBack as held_back:
        return Later(str(held_back), wait=wait_of(held_back) or 0)
    return Prepared(registration, material, permit)


def _quiet(context: Context, row: PendingRevocation) -> float:
    entry = context.resources.catalogue.get(row.provider)
    return _QUIET if entry is None else entry.token.quiet


async def _obstacle(context: Context, row: PendingRevocation, prepared: Prepared) -> Done | Later | None:
    if not prepared.registration.provider.revocation_ends_other_tokens:
        return None
    material = prepared.material
    found = await find_obstacles(context.resources.database, row, material.user, material.account)
    if found.renewed:
        return Done(RevocationStatus.NOT_NEEDED, sent=False)
    if found.shared:
        return _SHARED
    return _EXCHANGING if found.exchanging else None


async def _conclude(context: Context, row: PendingRevocation, owner: str, outcome: Done | Later) -> None:
    provider = site_key(row.provider, row.site)
    named = {"provider": provider, "revocation_id": row.id, "connection_id": row.connection_id}
    if isinstance(outcome, Done):
        if await _finish(context, row, owner, outcome.status, sent=outcome.sent):
            log.info("revocation.ended", status=outcome.status.value, **named)
        return
    is_over = outcome.sent or outcome is _SHARED
    if row.age < (_LONGEST if is_over else _LONGEST_UNSENT):
        wait = _wait(row.age, outcome, _quiet(context, row))
        later = Postponement(wait, sent=outcome.sent, unknown=outcome.unknown, unsure=outcome.unsure)
        if await postpone(context.resources.database, row.id, owner, later):
            log.warning("revocation.postponed", reason=outcome.reason, seconds=round(wait), **named)
        return
    status = RevocationStatus.NOT_NEEDED if outcome is _SHARED else RevocationStatus.FAILED
    if await _finish(context, row, owner, status, sent=outcome.sent, unknown=outcome.unknown):
        write = log.info if status is RevocationStatus.NOT_NEEDED else log.error
        write(f"revocation.{status.value}", reason=outcome.reason, **named)


async def _finish(
    context: Context,
    row: PendingRevocation,
    owner: str,
    status: RevocationStatus,
    *,
    sent: bool,
    unknown: bool = False,
) -> bool:
    # The pseudonym of the row: the user may have been forgotten meanwhile. There is no actor.
    entry = AuditEntry(
        actor=None,
        user=None,
        client_id=None,
        subject=row.subject,
        action=audit.REVOKE,
        provider=row.provider,
        outcome=audit.OK if status is RevocationStatus.DELIVERED else status.value,
        request_id=context.request_id,
    )
    return await finish(context.resources.database, row.id, owner, status, entry, sent=sent, unknown=unknown)


def _wait(age: float, later: Later, quiet: float) -> float:
    """Seconds until the next try. The last one comes at the end of the week, or of the second week if nothing was
    sent."""
    usual = min(max(_GROWTH * age, _FIRST_WAIT), _LONGEST_WAIT)
    usual *= random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load only
    left = (_LONGEST if age < _LONGEST else _LONGEST_UNSENT) - age
    return max(min(usual, left), later.wait, quiet if later.unknown else 0)
