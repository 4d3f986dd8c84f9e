"""One refresh of a connection's tokens (RFC 6749 6), under the lease that `models/token_refresh.py` gives.

What is not known for certain never ends a connection: only `invalid_grant` does, and only if the row still has the
token that was sent. New tokens are stored even after the lease, as long as they are the newest of the user's consent.
"""

from __future__ import annotations

import asyncio
import math
import random
import secrets
from datetime import timedelta
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from models.audit_event import AuditEntry
from models.connection import StatusReason
from models.token_refresh import Failure, Lease, fail, mark, release, take
from models.token_row import TokenRow
from models.vault import VaultError
from providers.entry.provider import Provider, site_key
from providers.errors import Effect, HeldBack, RequestFailed, effect_of, wait_of
from providers.oauth_client import refresh_tokens
from providers.provider_limit import Permit, Use
from providers.token_answer import PresentToken, TokenAnswer
from resolvers import audit
from resolvers.context import Context, Registration
from resolvers.errors import ProviderMisconfigured, ProviderUnavailable, ReauthorizationRequired, ServiceUnavailable
from resolvers.lease_clock import lease_clock
from resolvers.tokens.storing import store_answer

log = structlog.get_logger("tendon")

# Seconds to wait for a slot among the refreshes with a provider.
_SLOT_TIMEOUT: Final = 0.5
# Seconds of the lease for the writing of the new tokens.
_WRITING: Final = 5.0
# Where a used refresh token stays valid for a short time, a retry must come within it, so the lease is shorter: these
# parts of that time for the request and for the writing. When a lease ends without a result, there is time left for
# another request.
_REQUEST_SHARE: Final = 0.3
_WRITING_SHARE: Final = 0.2
# Seconds until the next refresh after a failure: doubled with each, up to the longest, give or take a part of it.
_FIRST_WAIT: Final = 1.0
_REFUSED_WAIT: Final = 5.0
_LONGEST_WAIT: Final = 1800.0
_JITTER: Final = 0.2
# The same when our registration is at fault: somebody has to correct it, for all connections of the provider. Meanwhile
# the worker sends few refreshes.
_MISCONFIGURED_WAIT: Final = 30.0
_MISCONFIGURED_DUE: Final = 900.0
# For how long refreshes fail at least until the connection has an error.
_SHORTEST_FAILING: Final = timedelta(minutes=1)


class Timing(msgspec.Struct, frozen=True):
    """Seconds that a refresh at a provider may take: for the request, for the writing, and both together, the lease.

    `quiet` is how long after a lease without a known result nothing may be sent.
    """

    request: float
    writing: float
    quiet: float

    @property
    def lease(self) -> float:
        return self.request + self.writing

    @classmethod
    def of(cls, provider: Provider, row: TokenRow, timeout: float) -> Timing:
        grace = provider.token.refresh_grace
        request, writing = timeout, _WRITING
        if 0 < grace < 2 * (request + writing):
            request, writing = min(request, _REQUEST_SHARE * grace), _WRITING_SHARE * grace
        since = (row.read_at - row.first_sent_at).total_seconds() + request if row.first_sent_at else 0.0
        return cls(request, writing, provider.token.quiet_for_refresh(since))


async def refresh(context: Context, row: TokenRow) -> None:
    """Refresh the tokens of `row`. If this returns, the row has changed, or somebody else has the lease: read it again.

    Raises ProviderUnavailable, ProviderMisconfigured, ServiceUnavailable and DatabaseDown.
    """
    resources = context.resources
    registration = resources.registration(row.provider, row.site)
    if row.id in resources.unstored:
        # What was sent last is used up, and what it gave is not stored yet.
        raise ServiceUnavailable(retry_after=1)
    await resources.check_can_seal()
    # Before anything is sent: once the provider has answered, nothing but the writing may fail.
    entry = await audit_entry(context, row, audit.OK)
    try:
        permit = await resources.provider_limits.of(registration.key).permit(_SLOT_TIMEOUT, Use.REFRESH)
    except HeldBack as held_back:
        raise provider_unavailable(wait_of(held_back) or 1) from None
    with permit:
        timing = Timing.of(registration.provider, row, resources.provider_timeout)
        token, present = _open(context, row, registration.provider)
        sent_until = lease_clock() + timing.writing / 2
        owner = secrets.token_hex(16)
        lease = await take(resources.database, row, owner, lease=timing.lease, quiet=timing.quiet)
        if lease is None:
            permit.leave_unused()
            return
        if lease_clock() > sent_until:
            # What is left of the lease may be too little: another process could send the same token meanwhile.
            permit.leave_unused()
            await release(resources.database, row, lease)
            raise ServiceUnavailable
        answer = await _send(context, registration, token, present, lease, timing, permit)
    if isinstance(answer, RequestFailed):
        await _failed(context, row, lease, timing, answer, entry)
    else:
        await store_answer(context, registration.provider, row, lease, answer, token, entry)


def _open(context: Context, row: TokenRow, provider: Provider) -> tuple[str, PresentToken | None]:
    """The refresh token, and the access token if a refresh may only extend it."""
    vault = context.resources.vault
    try:
        token = row.open(vault, "refresh_token")
        if provider.token.refresh != "extending":
            return token, None
        lifetime = None if row.expires_at is None else row.expires_at - (row.refreshed_at or row.granted_at)
        return token, PresentToken(row.open(vault, "access_token"), lifetime)
    except VaultError as fault:
        log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key id is enough
        raise ServiceUnavailable from None


async def _send(
    context: Context,
    registration: Registration,
    token: str,
    present: PresentToken | None,
    lease: Lease,
    timing: Timing,
    permit: Permit,
) -> TokenAnswer | RequestFailed:
    now = asyncio.get_running_loop().time()
    try:
        return await refresh_tokens(
            context.resources.client,
            registration.provider,
            registration.credentials,
            token,
            now=lease.taken_at,
            deadline=now + timing.request,
            latest=now + timing.request,
            present=present,
        )
    except RequestFailed as fault:
        permit.note(fault)
        return fault


async def _failed(
    context: Context, row: TokenRow, lease: Lease, timing: Timing, fault: RequestFailed, entry: AuditEntry
) -> None:
    """Write down what a failed refresh means for the connection."""
    effect, database = effect_of(fault), context.resources.database
    named = {"provider": site_key(row.provider, row.site), "connection_id": row.id, "fault": str(fault)}
    if effect is Effect.REFUSED:
        await _refused(context, row, lease, entry, named)
        return
    if effect is Effect.MISCONFIGURED:
        log.error("refresh.misconfigured", **named)
        due_in = None if row.due_at is None else _MISCONFIGURED_DUE
        await fail(database, row, lease, Failure(_MISCONFIGURED_WAIT, due_in, counts=False, unknown=False))
        raise ProviderMisconfigured(retry_after=math.ceil(_MISCONFIGURED_WAIT))
    wait = _wait(effect, lease.failures, wait_of(fault))
    if effect is Effect.UNKNOWN:
        wait = max(wait, timing.quiet)
    log.warning("refresh.failed", effect=effect.value, failures=lease.failures + 1, retry_in=round(wait, 1), **named)
    due_in = min(wait, seconds_until_failing(row) or wait)
    await fail(database, row, lease, Failure(wait, due_in, counts=True, unknown=effect is Effect.UNKNOWN))
    if row.failing_since_at is not None:
        await mark_if_failing(context, row, entry)
    raise provider_unavailable(round(wait) + 1)


async def _refused(context: Context, row: TokenRow, lease: Lease, entry: AuditEntry, named: dict[str, str]) -> None:
    """The provider has ended the grant, unless the row has other tokens meanwhile."""
    database = context.resources.database
    over = replace(entry, outcome=ReauthorizationRequired.code)
    if await mark(database, row, lease.owner, StatusReason.REAUTHORIZATION_REQUIRED, over):
        provider = context.resources.catalogue[row.provider]
        log.warning("connection.lost", interrupted=was_interrupted(provider, lease.unsure), **named)
    else:
        await release(database, row, lease)
        log.info("refresh.superseded", **named)


def was_interrupted(provider: Provider, unsure: int) -> bool:
    """Whether the refresh token may be refused because an earlier refresh has used it, and its answer was lost."""
    return unsure > 0 and provider.token.replaces_refresh_tokens


def _wait(effect: Effect, failures: int, asked: int | None) -> float:
    first = _REFUSED_WAIT if effect is Effect.NOT_DONE else _FIRST_WAIT
    longest = min(first * 2.0 ** min(failures, 16), _LONGEST_WAIT)
    return max(longest * random.uniform(1 - _JITTER, 1 + _JITTER), asked or 0)  # noqa: S311 - spreads load only


def seconds_until_failing(row: TokenRow) -> float:
    """Until the access token has been expired, and refreshes have failed, for as long as it was valid. 0 after that,
    and for a token that doesn't expire."""
    if row.expires_at is None:
        return 0
    lived = row.expires_at - (row.refreshed_at or row.granted_at)
    begin = max(row.expires_at, row.failing_since_at or row.read_at)
    return max((begin + max(lived, _SHORTEST_FAILING) - row.read_at).total_seconds(), 0)


async def mark_if_failing(context: Context, row: TokenRow, entry: AuditEntry) -> None:
    """Give a connection whose refreshes fail the status that says so, if they have failed for long."""
    if row.expires_at is None or seconds_until_failing(row) > 0:
        return
    failing = replace(entry, outcome=ProviderUnavailable.code)
    if await mark(context.resources.database, row, None, StatusReason.PROVIDER_FAILING, failing):
        log.error("connection.failing", provider=row.provider, connection_id=row.id)


def provider_unavailable(retry_after: int) -> ProviderUnavailable:
    """The problem when the tokens can't be refreshed for so many seconds."""
    return ProviderUnavailable("The provider can't be reached just now. Try again later.", retry_after=retry_after)


async def audit_entry(context: Context, row: TokenRow, outcome: str) -> AuditEntry:
    """A row of the audit trail about a refresh."""
    # Whoever asks for the token is not the actor of what the provider did.
    nobody = replace(context, caller=None)
    return await nobody.audit_entry(
        audit.REFRESH,
        subject=row.user_id,
        provider=row.provider,
        outcome=outcome,
        connection_id=row.id,
    )
