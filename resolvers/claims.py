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
from uuid import UUID

import structlog

from models.authorization_request import AuthorizationRequest
from models.connection import Connection
from models.database import DatabaseDown, transaction
from models.statement import Statement
from resolvers import audit
from resolvers.attempts import BOUND, Attempt, Claim, Reading
from resolvers.context import Context
from resolvers.errors import Problem, ProviderUnavailable
from resolvers.states import LIFE, REMEMBERED

log = structlog.get_logger("tendon")

WRITING: Final = timedelta(seconds=5)
"""What the writing after the exchange may take on top of the provider's time-out. Both together are the lease."""

# Seconds that the database's clock may be off, and so many tries to do better.
_INEXACT: Final = 0.05
_READINGS: Final = 3
# Seconds between the tries to end a claim while the database is away.
_PAUSES: Final = (0.2, 0.5, 1, 2, 5)

_CLAIM: Final = Statement(
    """
    UPDATE authorization_request
    SET status = 'exchanging', code_hash = $6, owner = $7, lease_until = after($8), purge_after = after($8)
    WHERE {bound} AND status = 'pending' AND expires_at > now()
    RETURNING *, now() AS claimed_at,
        (SELECT version FROM connection AS c WHERE c.user_id = $2 AND c.provider = $3) AS version""",
    bound=BOUND,
)
_CLOCK: Final = Statement("SELECT now() AS moment")
_HELD: Final = "state_hash = $1 AND owner = $2 AND status = 'exchanging'"
_RELEASE: Final = Statement(
    """
    UPDATE authorization_request
    SET status = 'pending', owner = NULL, lease_until = NULL, purge_after = expires_at
    WHERE {held} RETURNING status""",
    held=_HELD,
)
_END: Final = Statement(
    """
    UPDATE authorization_request
    SET status = $3, error = $4, connection_id = $5, verifier = NULL, lease_until = NULL,
        purge_after = after($6)
    WHERE {held} RETURNING status""",
    held=_HELD,
)


def lease(context: Context) -> float:
    """Seconds from the claim on."""
    return context.resources.provider_timeout + WRITING.total_seconds()


async def claim(context: Context, attempt: Attempt) -> Claim | None:
    """None when it is not to be had. Raises DatabaseDown."""
    before = asyncio.get_running_loop().time()
    try:
        row = await _CLAIM.row(*attempt.binding, attempt.answer_hash, attempt.owner, lease(context))
    except DatabaseDown as fault:
        if fault.in_doubt:
            # It may be on its way still, and come after a release that finds nothing.
            insist(context, attempt, partial(_release, attempt), until_done=lease(context))
        raise
    return Claim.of(row, await _exact(Reading.of(row["claimed_at"], before))) if row else None


async def _exact(reading: Reading) -> Reading:
    """What was held up on its way is read again, or tokens would seem older than they are."""
    for _ in range(_READINGS):
        if reading.error < _INEXACT:
            break
        before = asyncio.get_running_loop().time()
        with suppress(DatabaseDown):
            row = await _CLOCK.row()
            again = Reading.of(row["moment"], before) if row else reading
            reading = min(reading, again, key=lambda one: one.error)
    return reading


async def release(context: Context, attempt: Attempt) -> None:
    """Give the claim back, now or later: nothing was sent, the code is as good as before."""
    try:
        await _release(attempt)
    except DatabaseDown:
        insist(context, attempt, partial(_release, attempt))


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
    async with transaction():
        ours = await _end(attempt, "failed", error=problem.code)
        if ours:
            await _record(context, attempt, problem.code)
    return ours


def insist(
    context: Context, attempt: Attempt, write: Callable[[], Awaitable[object]], *, until_done: float = 0
) -> None:
    """Do it beside everything else, as soon as the database is there again, and for `until_done` seconds until it says
    that it did something."""
    context.resources.flights.meanwhile(_insist(attempt, write, until_done))


async def _release(attempt: Attempt) -> bool:
    return await _RELEASE.row(attempt.key, attempt.owner) is not None


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


async def finish(attempt: Attempt, connection_id: UUID) -> None:
    """Mark the request completed, inside the transaction that writes the connection.

    Raises ProviderUnavailable when the lease was lost meanwhile: others were told already to start again.
    """
    if not await _end(attempt, "completed", connection_id=connection_id):
        raise ProviderUnavailable


async def finished(attempt: Attempt) -> Connection | None:
    """The connection, if this attempt has finished: of a COMMIT whose answer got lost nobody else knows."""
    request = await AuthorizationRequest.get_or_none(state_hash=attempt.key, owner=attempt.owner, status="completed")
    return request and await Connection.get_or_none(id=request.connection_id)


async def _end(attempt: Attempt, status: str, *, error: str | None = None, connection_id: UUID | None = None) -> bool:
    values = (status, error, connection_id, REMEMBERED.total_seconds())
    return await _END.row(attempt.key, attempt.owner, *values) is not None


async def _record(context: Context, attempt: Attempt, outcome: str) -> None:
    provider = attempt.registration.provider.slug
    await audit.record(context, audit.COMPLETE, subject=attempt.user, provider=provider, outcome=outcome)
