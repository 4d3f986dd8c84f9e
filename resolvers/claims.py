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

from models.connection import SHOWN, StoredConnection
from models.database import DatabaseDown
from models.statement import Statement
from resolvers import audit
from resolvers.attempts import BOUND, Attempt, Claim, Reading
from resolvers.context import Context
from resolvers.errors import Problem, ProviderUnavailable, ServiceUnavailable
from resolvers.states import LIFE, REMEMBERED

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

_CLAIM: Final = Statement(
    """
    UPDATE authorization_request
    SET status = 'exchanging', code_hash = :answer_hash, owner = :owner, lease_until = after(:lease),
        purge_after = after(:lease)
    WHERE {bound} AND status = 'pending' AND expires_at > now()
    RETURNING scopes, verifier, now() AS claimed_at,
        (SELECT version FROM connection AS c WHERE c.user_id = :user_id AND c.provider = :provider) AS version""",
    bound=BOUND,
)
_CLOCK: Final = Statement("SELECT now() AS moment")
HELD: Final = "state_hash = :key AND owner = :owner AND status = 'exchanging'"
"""A claim that is still the attempt's."""
ENDED: Final = "error = NULL, verifier = NULL, lease_until = NULL, purge_after = after(:remembered)"
"""What becomes of a request that is completed, beside its status and its connection."""
_RELEASE: Final = Statement(
    """
    UPDATE authorization_request
    SET status = 'pending', code_hash = NULL, owner = NULL, lease_until = NULL, purge_after = expires_at
    WHERE {held} RETURNING status""",
    held=HELD,
)
_END: Final = Statement(
    """
    UPDATE authorization_request
    SET status = 'failed', error = :outcome, verifier = NULL, lease_until = NULL, purge_after = after(:remembered)
    WHERE {held} RETURNING status""",
    audit.RECORDED,
    held=HELD,
)
_FINISHED: Final = Statement(
    """
    SELECT {shown} FROM connection WHERE id = (
        SELECT connection_id FROM authorization_request
        WHERE state_hash = :key AND owner = :owner AND status = 'completed')""",
    shown=SHOWN,
)


def lease(context: Context) -> float:
    """Seconds from the claim on."""
    return context.resources.provider_timeout + WRITING.total_seconds()


async def claim(context: Context, attempt: Attempt) -> Claim | None:
    """None when it is not to be had. Raises DatabaseDown."""
    loop = asyncio.get_running_loop()
    before, lasting = loop.time(), lease(context)
    try:
        row = await _CLAIM.row(
            context.resources.database,
            **attempt.binding,
            answer_hash=attempt.answer_hash,
            owner=attempt.owner,
            lease=lasting,
        )
    except DatabaseDown as fault:
        if fault.in_doubt:
            # It may be on its way still, and come after a release that finds nothing.
            insist(context, attempt, partial(_release, context, attempt), until_done=lasting)
        raise
    if row is None:
        return None
    reading = await _exact(context, Reading.of(row[2], before))
    if loop.time() - before > WRITING.total_seconds() - STORING:
        # What is left of the lease may not last for asking and writing.
        await release(context, attempt)
        raise ServiceUnavailable
    return Claim.of(attempt, row, reading, before + lasting)


async def _exact(context: Context, reading: Reading) -> Reading:
    """What was held up on its way is read again, or tokens would seem older than they are."""
    if reading.error < _INEXACT:
        return reading
    with suppress(DatabaseDown, TimeoutError):
        async with asyncio.timeout(_READING):
            for _ in range(_READINGS):
                before = asyncio.get_running_loop().time()
                row = await _CLOCK.row(context.resources.database)
                again = Reading.of(row[0], before) if row else reading
                reading = min(reading, again, key=lambda one: one.error)
                if reading.error < _INEXACT:
                    break
    return reading


async def release(context: Context, attempt: Attempt) -> None:
    """Give the claim back, now or later: nothing was sent, the code is as good as before."""
    try:
        await _release(context, attempt)
    except DatabaseDown:
        insist(context, attempt, partial(_release, context, attempt))


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
        insist(context, attempt, write)
        raise


async def end(context: Context, attempt: Attempt, problem: Problem) -> bool:
    """Whether it was still this attempt's to end. Raises DatabaseDown.

    A COMMIT of ours that is still on its way comes before or is undone: both want the row.
    """
    provider = attempt.registration.provider.slug
    event = await audit.event(context, audit.COMPLETE, subject=attempt.user, provider=provider, outcome=problem.code)
    held = {"key": attempt.key, "owner": attempt.owner}
    remembered = REMEMBERED.total_seconds()
    return await _END.row(context.resources.database, **held, remembered=remembered, **event) is not None


def insist(
    context: Context, attempt: Attempt, write: Callable[[], Awaitable[object]], *, until_done: float = 0
) -> None:
    """Do it beside everything else, as soon as the database is there again, and for `until_done` seconds until it says
    that it did something."""
    context.resources.flights.meanwhile(_insist(attempt, write, until_done))


async def _release(context: Context, attempt: Attempt) -> bool:
    return await _RELEASE.row(context.resources.database, key=attempt.key, owner=attempt.owner) is not None


async def _insist(attempt: Attempt, write: Callable[[], Awaitable[object]], until_done: float) -> None:
    """While the state could still be used: after that nobody asks any more."""
    loop, provider = asyncio.get_running_loop(), attempt.registration.provider.slug
    began, tries = loop.time(), 0
    while loop.time() < began + LIFE.total_seconds():
        await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
        tries += 1
        try:
            done = await write()
        except DatabaseDown as fault:
            log.debug("claim.open", provider=provider, error=fault.reason)
            continue
        if done or loop.time() >= began + until_done:
            log.info("claim.closed", provider=provider, tries=tries)
            return


async def finished(context: Context, attempt: Attempt) -> StoredConnection | None:
    """The connection, if this attempt has finished: of a COMMIT whose answer got lost nobody else knows."""
    row = await _FINISHED.row(context.resources.database, key=attempt.key, owner=attempt.owner)
    return StoredConnection.of(row) if row else None
