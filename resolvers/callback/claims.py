"""An attempt to redeem a callback, and its claim of the authorization request: at most one may ever exchange its code.

One conditional UPDATE decides (`models/authorization_request.py`), in the database and by its clock, so any number of
processes can run side by side. A claim is a lease: when its holder died, the code may be spent already, so the request
has failed and the user starts again. A claim that the database loses, as a failover to an asynchronous standby may do,
protects nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import count
from os import urandom
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from models.authorization_request import (
    LIFETIME,
    ClaimedRequest,
    StateBinding,
    claim_request,
    fail_claim,
    release_claim,
    state_hash,
)
from models.clock import read_clock
from models.database import Database, DatabaseDown
from models.replaced_tokens import ReplacedTokens, find_replaced
from models.revocation import delivery_in_progress
from resolvers import audit
from resolvers.background import backoff
from resolvers.context import Context, Registration
from resolvers.errors import Problem, ProviderUnavailable, ServiceUnavailable

log = structlog.get_logger("tendon")

# Seconds that the writing after the exchange may take on top of the provider's time-out. Both together are the lease.
_WRITING: Final = 5.0

STORING: Final = _WRITING / 2
"""Seconds of the lease that are kept for the writing, whatever held up the claim or the exchange."""

# Seconds that the reading of the database's clock may be off, and the tries to do better.
_INEXACT: Final = 0.05
_READINGS: Final = 3
# Seconds for all of them, since the lease runs meanwhile.
_READING: Final = 1.0
# Seconds after which a callback that met the delivery of a revocation is to be sent again.
_DELIVERY: Final = 5
# Seconds between the tries to end a claim while the database is down.
_PAUSES: Final = (0.2, 0.5, 1, 2, 5)


class Callback(Struct, frozen=True):
    """What the provider sent the user back with (RFC 6749 4.1.2), as the front end passes it on.

    `iss` is RFC 9207's, `scope` the granted scope that some providers put there, `error` what they
    send instead of a code when the user or the provider refuses (RFC 6749 4.1.2.1); `code` may be empty then. At a
    provider with `denied = "state_only"`, both are empty after a refusal.
    """

    provider: str
    code: str
    state: str
    redirect_uri: str
    iss: str | None = None
    scope: str | None = None
    error: str | None = None

    def __repr__(self) -> str:
        return "Callback()"


class Attempt(Struct, frozen=True):
    """One attempt to redeem a callback.

    `answer_hash` is of what the state is spent on, a code or an error: a repeated callback has to have the same.
    `lease` is how many seconds its claim lasts.
    """

    callback: Callback
    registration: Registration
    binding: StateBinding
    answer_hash: str
    owner: str
    lease: float

    @classmethod
    def of(cls, context: Context, user: str, registration: Registration, callback: Callback) -> Attempt:
        if not (callback.code or callback.error):
            callback = replace(callback, error="access_denied")
        provider = registration.provider
        bound = (provider.slug, callback.redirect_uri, registration.fingerprint, provider.site)
        answer = f"error:{callback.error}" if callback.error else f"code:{callback.code}"
        return cls(
            callback,
            registration,
            StateBinding(state_hash(callback.state), user, *bound),
            answer_hash=hashlib.sha256(answer.encode()).hexdigest(),
            owner=urandom(16).hex(),
            lease=context.resources.provider_timeout + _WRITING,
        )


class _Reading(Struct, frozen=True):
    """The database's clock, read between two times of the running loop's: off by the time between them at most."""

    moment: datetime
    before: float
    since: float

    @property
    def error(self) -> float:
        return self.since - self.before


class Claim(Struct, frozen=True):
    """A request that belongs to this attempt alone.

    `claimed_at` is of the database's clock, `since` the same moment of the running loop's, or up to `error` seconds
    after it. The lease lasts until `until` of the loop's time, at least. `replaced` is the tokens that a new grant will
    replace, where they are to be revoked: read before the exchange, so that what it gives needs a single statement.
    """

    request: ClaimedRequest
    claimed_at: datetime
    since: float
    error: float
    until: float
    replaced: ReplacedTokens | None = None


async def claim(context: Context, attempt: Attempt) -> Claim | None:
    """None if the request is not pending. Raises DatabaseDown, and ServiceUnavailable if too little of the lease is
    left, or a revocation is being sent that could end what the code is exchanged for."""
    loop, database = asyncio.get_running_loop(), context.resources.database
    provider = attempt.registration.provider
    before = loop.time()
    try:
        request = await claim_request(
            database,
            attempt.binding,
            code_hash=attempt.answer_hash,
            owner=attempt.owner,
            lease=attempt.lease,
            with_account=provider.revocation_ends_other_tokens,
        )
    except DatabaseDown as fault:
        if fault.in_doubt:
            # It may be on its way still, and be done after a release that finds nothing.
            retry_until_written(context, attempt, partial(_release, context, attempt), until_done=attempt.lease)
        raise
    if request is None:
        return None
    replaced = None
    if provider.revocation_ends_other_tokens:
        await _check_no_delivery(context, attempt, request)
    elif provider.revocation_ends_only_its_tokens and request.version:
        replaced = await _find_replaced(context, attempt)
    reading = _Reading(request.claimed_at, before, loop.time())
    if reading.error >= _INEXACT:
        reading = await _exact(database, reading)
    if loop.time() - before > _WRITING - STORING:
        # What is left of the lease may be too little for the exchange and the writing.
        await release(context, attempt)
        raise ServiceUnavailable
    return Claim(request, reading.moment, reading.since, reading.error, before + attempt.lease, replaced)


async def _check_no_delivery(context: Context, attempt: Attempt, request: ClaimedRequest) -> None:
    """Release the claim while a revocation is being sent that would end the new grant, too.

    The claim is committed before this looks, and a delivery commits its lease before it looks for claims, so at least
    one of two that overlap sees the other. Raises DatabaseDown, and ServiceUnavailable.
    """
    resources, binding = context.resources, attempt.binding
    subject, account = binding.user_id, request.account
    try:
        is_sent = await delivery_in_progress(
            resources.database,
            await resources.pseudonyms.of(subject),
            await resources.pseudonyms.of_account(binding.provider, binding.site, account),
            binding.provider,
            binding.site,
            attempt.registration.provider.token.quiet,
        )
    except (DatabaseDown, Problem):
        await release(context, attempt)
        raise
    if is_sent:
        log.info("claim.delivery.in.progress", provider=binding.provider)
        await release(context, attempt)
        raise ServiceUnavailable(
            "An earlier connection to this provider is still being ended. Send the same callback again shortly.",
            retry_after=_DELIVERY,
        )


async def _find_replaced(context: Context, attempt: Attempt) -> ReplacedTokens | None:
    binding = attempt.binding
    try:
        return await find_replaced(context.resources.database, binding.user_id, binding.provider, binding.site)
    except DatabaseDown:
        await release(context, attempt)
        raise


async def _exact(database: Database, reading: _Reading) -> _Reading:
    """Reads the clock again, since the first reading was held up on its way: tokens would seem older than they are."""
    loop = asyncio.get_running_loop()
    with suppress(DatabaseDown, TimeoutError):
        async with asyncio.timeout(_READING):
            for _ in range(_READINGS):
                before = loop.time()
                again = _Reading(await read_clock(database), before, loop.time())
                reading = min(reading, again, key=lambda one: one.error)
                if reading.error < _INEXACT:
                    break
    return reading


def not_asked(retry_after: int = 5) -> ProviderUnavailable:
    """The problem when the provider was not asked: the same callback may be sent again after so many seconds."""
    return ProviderUnavailable(
        "The provider can't be reached. Send the same callback again shortly.", retry_after=retry_after
    )


async def release(context: Context, attempt: Attempt) -> None:
    """Make the request pending again, now or later: nothing was sent, so the code is as good as before."""
    try:
        await _release(context, attempt)
    except DatabaseDown:
        retry_until_written(context, attempt, partial(_release, context, attempt))


async def _release(context: Context, attempt: Attempt) -> bool:
    return await release_claim(context.resources.database, attempt.binding, attempt.owner)


async def fail(context: Context, attempt: Attempt, problem: Problem) -> None:
    """End the request. Only what is written is final: every repeated callback gets the same code.

    Raises DatabaseDown, and writes it as soon as it can then; and ProviderUnavailable when the lease was lost, since
    others have got that already.
    """
    write = partial(end, context, attempt, problem)
    try:
        if not await write():
            raise ProviderUnavailable
    except DatabaseDown:
        retry_until_written(context, attempt, write)
        raise


async def end(context: Context, attempt: Attempt, problem: Problem) -> bool:
    """Whether the claim was still this attempt's. Raises DatabaseDown.

    A COMMIT of this attempt that is still on its way comes before or is undone: both want the row.
    """
    binding = attempt.binding
    entry = await context.audit_entry(
        audit.COMPLETE, subject=binding.user_id, provider=binding.provider, outcome=problem.code
    )
    return await fail_claim(context.resources.database, binding, attempt.owner, entry)


def retry_until_written(
    context: Context, attempt: Attempt, write: Callable[[], Awaitable[object]], *, until_done: float = 0
) -> None:
    """Call `write` in the background until the database is up again, and for `until_done` seconds until it returns
    true."""
    context.resources.background.start_retrying(_retry(attempt, write, until_done))


async def _retry(attempt: Attempt, write: Callable[[], Awaitable[object]], until_done: float) -> None:
    """For as long as the state could be used: after that, nobody asks for it."""
    loop, provider = asyncio.get_running_loop(), attempt.binding.provider
    began = loop.time()
    for tries in count(1):
        if loop.time() >= began + LIFETIME.total_seconds():
            return
        await asyncio.sleep(backoff(_PAUSES, tries))
        try:
            done = await write()
        except DatabaseDown as fault:
            log.debug("claim.open", provider=provider, error=fault.reason)
            continue
        if done or loop.time() >= began + until_done:
            log.info("claim.closed", provider=provider, tries=tries)
            return
