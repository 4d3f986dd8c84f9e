"""The claim of an authorization request: at most one attempt may ever exchange its code.

One conditional UPDATE decides (`models/authorization_request.py`), in the database and by its clock, so any number of
processes can run side by side. A claim is a lease: when its holder died, the code may be spent already, so the request
has failed and the user starts again.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from models.authorization_request import (
    LIFETIME,
    ClaimedRequest,
    StateBinding,
    claim_request,
    fail_claim,
    read_clock,
    release_claim,
    state_hash,
)
from models.database import Database, DatabaseDown
from resolvers import audit
from resolvers.backoff import Backoff
from resolvers.context import Context, Registration
from resolvers.errors import Problem, ProviderUnavailable, ServiceUnavailable

log = structlog.get_logger("tendon")

_WRITING: Final = 5.0
"""Seconds that the writing after the exchange may take on top of the provider's time-out. Both together are the
lease."""

STORING: Final = _WRITING / 2
"""Seconds of the lease that are kept for the writing, whatever held up the claim or the exchange."""

# Seconds that the reading of the database's clock may be off, and the tries to do better.
_INEXACT: Final = 0.05
_READINGS: Final = 3
# Seconds for all of them, since the lease runs meanwhile.
_READING: Final = 1.0
# Seconds between the tries to end a claim while the database is down.
_PAUSES: Final = (0.2, 0.5, 1, 2, 5)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One callback's attempt to redeem a state. `answer_hash` is of what the provider sent: a code, or an error."""

    binding: StateBinding
    registration: Registration
    answer_hash: str
    owner: str

    @classmethod
    def of(cls, user: str, registration: Registration, redirect_uri: str, state: str, answer: str) -> Attempt:
        slug = registration.provider.slug
        binding = StateBinding(state_hash(state), user, slug, redirect_uri, registration.fingerprint)
        return cls(binding, registration, hashlib.sha256(answer.encode()).hexdigest(), secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class _Reading:
    """The database's clock, read between two times of the running loop's: off by the time between them at most."""

    moment: datetime
    before: float
    since: float

    @property
    def error(self) -> float:
        return self.since - self.before


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that belongs to this attempt alone.

    `claimed_at` is of the database's clock, `since` the same moment of the running loop's, or up to `error` seconds
    after it. The lease lasts until `until` of the loop's time, at least.
    """

    request: ClaimedRequest
    claimed_at: datetime
    since: float
    error: float
    until: float

    def at(self, time: float) -> datetime:
        """What the database's clock said at this time of the running loop, at least."""
        return self.claimed_at + timedelta(seconds=time - self.since)


def lease(context: Context) -> float:
    """Seconds from the claim on."""
    return context.resources.provider_timeout + _WRITING


async def claim(context: Context, attempt: Attempt) -> Claim | None:
    """None if the request is not pending. Raises DatabaseDown, and ServiceUnavailable if too little of the lease is
    left."""
    loop, database = asyncio.get_running_loop(), context.resources.database
    before, seconds = loop.time(), lease(context)
    try:
        request = await claim_request(
            database, attempt.binding, code_hash=attempt.answer_hash, owner=attempt.owner, lease=seconds
        )
    except DatabaseDown as fault:
        if fault.in_doubt:
            # It may be on its way still, and be done after a release that finds nothing.
            retry_until_written(context, attempt, partial(_release, context, attempt), until_done=seconds)
        raise
    if request is None:
        return None
    reading = await _exact(database, _Reading(request.claimed_at, before, loop.time()))
    if loop.time() - before > _WRITING - STORING:
        # What is left of the lease may be too little for the exchange and the writing.
        await release(context, attempt)
        raise ServiceUnavailable
    return Claim(request, reading.moment, reading.since, reading.error, before + seconds)


async def _exact(database: Database, reading: _Reading) -> _Reading:
    """Reads the clock again if the first reading was held up on its way, or tokens would seem older than they are."""
    if reading.error < _INEXACT:
        return reading
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
    return await release_claim(context.resources.database, attempt.binding.state_hash, attempt.owner)


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
    entry = await audit.entry(
        context, audit.COMPLETE, subject=binding.user_id, provider=binding.provider, outcome=problem.code
    )
    return await fail_claim(context.resources.database, binding.state_hash, attempt.owner, entry)


def retry_until_written(
    context: Context, attempt: Attempt, write: Callable[[], Awaitable[object]], *, until_done: float = 0
) -> None:
    """Call `write` in the background until the database is up again, and for `until_done` seconds until it returns
    true."""
    context.resources.background.start_retrying(_retry(attempt, write, until_done))


async def _retry(attempt: Attempt, write: Callable[[], Awaitable[object]], until_done: float) -> None:
    """For as long as the state could be used: after that, nobody asks for it."""
    loop, provider = asyncio.get_running_loop(), attempt.binding.provider
    began, backoff = loop.time(), Backoff(*_PAUSES)
    while loop.time() < began + LIFETIME.total_seconds():
        await asyncio.sleep(backoff.next())
        try:
            done = await write()
        except DatabaseDown as fault:
            log.debug("claim.open", provider=provider, error=fault.reason)
            continue
        if done or loop.time() >= began + until_done:
            log.info("claim.closed", provider=provider, tries=backoff.tries)
            return
