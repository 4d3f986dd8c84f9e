"""The exactly-once claim: at most one attempt may ever exchange the code of an authorization request.

One conditional UPDATE decides, in the database and by its clock, so any number of processes can run side by side. A
claim is a lease: when its holder died, the code may be spent already, so the request has failed and the user starts
again. What those get who did not win it is in `outcomes.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from models.authorization_request import LIFETIME
from models.database import DatabaseDown
from models.request_claim import claim_request, fail_claim, read_clock, release_claim
from resolvers import audit
from resolvers.attempts import Attempt, Claim, Reading
from resolvers.backoff import Backoff, sleep
from resolvers.context import Context
from resolvers.errors import Problem, ProviderUnavailable, ServiceUnavailable

log = structlog.get_logger("tendon")

WRITING: Final = timedelta(seconds=5)
"""What the writing after the exchange may take on top of the provider's time-out. Both together are the lease."""

STORING: Final = WRITING.total_seconds() / 2
"""Seconds of the lease that are kept for the writing, whatever held up the claim or the exchange."""

# Seconds that the database's clock may be off, and so many tries to do better.
_INEXACT: Final = 0.05
_READINGS: Final = 3
# Seconds for all of them, since the lease runs meanwhile.
_READING: Final = 1.0
# Seconds between the tries to end a claim while the database is away.
_PAUSES: Final = (0.2, 0.5, 1, 2, 5)


def lease(context: Context) -> float:
    """Seconds from the claim on."""
    return context.resources.provider_timeout + WRITING.total_seconds()


async def claim(context: Context, attempt: Attempt) -> Claim | None:
    """None when it is not to be had. Raises DatabaseDown."""
    loop = asyncio.get_running_loop()
    before, lasting = loop.time(), lease(context)
    try:
        request = await claim_request(
            context.resources.database,
            attempt.binding,
            code_hash=attempt.answer_hash,
            owner=attempt.owner,
            lease=lasting,
        )
    except DatabaseDown as fault:
        if fault.in_doubt:
            # It may be on its way still, and come after a release that finds nothing.
            retry_until_written(context, attempt, partial(_release, context, attempt), until_done=lasting)
        raise
    if request is None:
        return None
    reading = await _exact(context, Reading.of(request.claimed_at, before))
    if loop.time() - before > WRITING.total_seconds() - STORING:
        # What is left of the lease may not last for asking and writing.
        await release(context, attempt)
        raise ServiceUnavailable
    return Claim.of(request, reading, before + lasting)


async def _exact(context: Context, reading: Reading) -> Reading:
    """What was held up on its way is read again, or tokens would seem older than they are."""
    if reading.error < _INEXACT:
        return reading
    with suppress(DatabaseDown, TimeoutError):
        async with asyncio.timeout(_READING):
            for _ in range(_READINGS):
                before = asyncio.get_running_loop().time()
                again = Reading.of(await read_clock(context.resources.database), before)
                reading = min(reading, again, key=lambda one: one.error)
                if reading.error < _INEXACT:
                    break
    return reading


async def release(context: Context, attempt: Attempt) -> None:
    """Give the claim back, now or later: nothing was sent, the code is as good as before."""
    try:
        await _release(context, attempt)
    except DatabaseDown:
        retry_until_written(context, attempt, partial(_release, context, attempt))


async def fail(context: Context, attempt: Attempt, problem: Problem) -> None:
    """End the request. Only what is written is final: everybody who repeats the callback hears the same code.

    Raises DatabaseDown, and writes it as soon as it can then; and ProviderUnavailable when the lease was lost, and
    others were told that already.
    """
    write = partial(end, context, attempt, problem)
    try:
        if not await write():
            raise ProviderUnavailable
    except DatabaseDown:
        retry_until_written(context, attempt, write)
        raise


async def end(context: Context, attempt: Attempt, problem: Problem) -> bool:
    """Whether it was still this attempt's to end. Raises DatabaseDown.

    A COMMIT of ours that is still on its way comes before or is undone: both want the row.
    """
    user, provider = attempt.binding.user_id, attempt.binding.provider
    entry = await audit.entry(context, audit.COMPLETE, subject=user, provider=provider, outcome=problem.code)
    return await fail_claim(context.resources.database, attempt.binding.state_hash, attempt.owner, entry)


def retry_until_written(
    context: Context, attempt: Attempt, write: Callable[[], Awaitable[object]], *, until_done: float = 0
) -> None:
    """Do it beside everything else, as soon as the database is there again, and for `until_done` seconds until it says
    that it did something."""
    context.resources.background.start_retrying(_retry(attempt, write, until_done))


async def _release(context: Context, attempt: Attempt) -> bool:
    return await release_claim(context.resources.database, attempt.binding.state_hash, attempt.owner)


async def _retry(attempt: Attempt, write: Callable[[], Awaitable[object]], until_done: float) -> None:
    """While the state could still be used: after that nobody asks any more."""
    loop, provider = asyncio.get_running_loop(), attempt.registration.provider.slug
    began, backoff = loop.time(), Backoff(*_PAUSES)
    while loop.time() < began + LIFETIME.total_seconds():
        await sleep(backoff.next())
        try:
            done = await write()
        except DatabaseDown as fault:
            log.debug("claim.open", provider=provider, error=fault.reason)
            continue
        if done or loop.time() >= began + until_done:
            log.info("claim.closed", provider=provider, tries=backoff.tries)
            return
