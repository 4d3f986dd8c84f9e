"""The exactly-once claim: at most one attempt may ever exchange the code of an authorization request.

One conditional UPDATE decides, in the database and by its clock, so any number of processes can run side by side. A
claim is a lease: when its holder died, the code may be spent already, so the request has failed and the user starts
again. What those get who did not win it is in `outcomes.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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
from resolvers.attempts import Attempt, Claim
from resolvers.context import Context
from resolvers.errors import Problem, ProviderUnavailable
from resolvers.states import LIFE, REMEMBERED

log = structlog.get_logger("tendon")

WRITING: Final = timedelta(seconds=5)
"""What the writing after the exchange may take on top of the provider's time-out. Both together are the lease."""

# Seconds between the tries to end a claim while the database is away.
_PAUSES: Final = (0.2, 0.5, 1, 2, 5)

BOUND: Final = "state_hash = $1 AND user_id = $2 AND provider = $3 AND redirect_uri = $4 AND registration = $5"
"""All that a state is bound to; `Attempt.binding` has the values."""

_CLAIM: Final = Statement(
    """
    UPDATE authorization_request
    SET status = 'exchanging', code_hash = $6, owner = $7, lease_until = after($8), purge_after = after($8)
    WHERE {bound} AND status = 'pending' AND expires_at > now()
    RETURNING *, now() AS claimed_at,
        (SELECT version FROM connection AS c WHERE c.user_id = $2 AND c.provider = $3) AS version""",
    bound=BOUND,
)
_HELD: Final = "state_hash = $1 AND owner = $2 AND status = 'exchanging'"
_RELEASE: Final = Statement(
    """
    UPDATE authorization_request
    SET status = 'pending', owner = NULL, lease_until = NULL, purge_after = expires_at
    WHERE {held}""",
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
    try:
        row = await _CLAIM.row(*attempt.binding, attempt.answer_hash, attempt.owner, lease(context))
    except DatabaseDown as fault:
        if fault.in_doubt:
            insist(context, attempt, partial(_release, attempt))
        raise
    return Claim.of(row) if row else None


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


def insist(context: Context, attempt: Attempt, write: Callable[[], Awaitable[object]]) -> None:
    """Do it beside everything else, as soon as the database is there again."""
    context.resources.flights.meanwhile(_insist(attempt, write))


async def _release(attempt: Attempt) -> None:
    await _RELEASE.rows(attempt.key, attempt.owner)


async def _insist(attempt: Attempt, write: Callable[[], Awaitable[object]]) -> None:
    """While the state could still be used: after that nobody asks any more."""
    loop, provider = asyncio.get_running_loop(), attempt.registration.provider.slug
    last, tries = loop.time() + LIFE.total_seconds(), 0
    while loop.time() < last:
        await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
        tries += 1
        try:
            await write()
        except DatabaseDown as fault:
            log.debug("claim.open", provider=provider, error=fault.reason)
        else:
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
