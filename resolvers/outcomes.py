"""The result of a callback that did not win the claim: that of the winner, for the same code only. Until the winner has
a result, no code is rejected: a released claim leaves the state as it was."""

from __future__ import annotations

from typing import Final, NoReturn

import structlog

from models.authorization_request import RequestState, RequestStatus, differing_column, find_request
from models.connection import StoredConnection, find_by_id
from providers.errors import CircuitOpen, HeldBack
from resolvers import audit
from resolvers.attempts import Attempt
from resolvers.backoff import Backoff
from resolvers.context import Context
from resolvers.errors import PROBLEMS, InternalError, InvalidState, Problem, ProviderUnavailable, ServiceUnavailable
from resolvers.states import abandon

log = structlog.get_logger("tendon")

# Seconds between the looks at a request that another attempt has claimed.
_PAUSES: Final = (0.02, 0.04, 0.08, 0.16, 0.32, 0.5)
# So many may wait for one exchange in a process: a caller who repeats and repeats must not fill the house.
_WAITERS: Final = 64


def unspent(retry_after: int = 5) -> ProviderUnavailable:
    """Said when the provider was not asked: the same callback may be sent again, after so many seconds."""
    return ProviderUnavailable(
        "The provider can't be reached. Send the same callback again shortly.", retry_after=retry_after
    )


async def of_another(context: Context, attempt: Attempt) -> StoredConnection:
    """Waits for the holder of the claim, at most until its lease ends, and records the outcome in the audit trail.

    Raises InvalidState, or the problem that ended the request.
    """
    try:
        connection = await _awaited(context, attempt)
    except Problem as problem:
        await audit.denied(context, audit.COMPLETE, problem, provider=attempt.registration.provider.slug)
        raise
    await audit.replayed(context, connection)
    return connection


async def _awaited(context: Context, attempt: Attempt) -> StoredConnection:
    backoff = Backoff(*_PAUSES)
    while True:
        seen = await find_request(context.resources.database, attempt.binding)
        if seen is None or seen.status != RequestStatus.EXCHANGING:
            return await _settled(context, attempt, seen)
        if seen.lease_over:
            await abandon(context, attempt.binding.state_hash, attempt.binding.user_id)
        else:
            if context.resources.exchanges.waiting(attempt.binding.state_hash) >= _WAITERS:
                raise ServiceUnavailable
            await context.resources.exchanges.wait(attempt.binding.state_hash, backoff.next())


async def unasked(context: Context, attempt: Attempt, held: HeldBack) -> StoredConnection:
    """While the provider is not to be asked: what is settled or under way is answered as ever, and the rest may be sent
    again later. Nothing is spent."""
    seen = await find_request(context.resources.database, attempt.binding)
    if seen is None or seen.expired or seen.status != RequestStatus.PENDING:
        return await of_another(context, attempt)
    log.info("exchange.held.back", provider=attempt.registration.provider.slug, fault=str(held))
    if isinstance(held, CircuitOpen):
        raise unspent(held.retry_after)
    raise ServiceUnavailable(
        "Too many connections to this provider are in progress. Send the same callback again shortly."
    )


async def _refuse(context: Context, attempt: Attempt, seen: RequestState | None) -> NoReturn:
    """Raises InvalidState."""
    log.info("state.refused", provider=attempt.registration.provider.slug, reason=await _why(context, attempt, seen))
    raise InvalidState


async def _why(context: Context, attempt: Attempt, seen: RequestState | None) -> str:
    """Why a state can't be spent: for the log, since callers hear one sentence for all of it."""
    if seen is not None:
        return "expired" if seen.status == RequestStatus.PENDING else "another code"
    different = await differing_column(context.resources.database, attempt.binding)
    return f"another {different}" if different else "unknown"


async def _settled(context: Context, attempt: Attempt, seen: RequestState | None) -> StoredConnection:
    """Raises the problem that ended the request, InvalidState if the code differs from the one it ended with, and
    ProviderUnavailable with a time to wait when the holder could not reach the provider and released the claim."""
    if seen is None or (seen.expired and seen.status == RequestStatus.PENDING):
        return await _refuse(context, attempt, seen)
    if seen.status == RequestStatus.PENDING:
        raise unspent()
    if seen.code_hash != attempt.answer_hash:
        return await _refuse(context, attempt, seen)
    error = {} if seen.error is None else {"error": seen.error}
    log.info("callback.repeated", provider=attempt.registration.provider.slug, status=seen.status, **error)
    if seen.status == RequestStatus.FAILED:
        ended = PROBLEMS.get(seen.error or "", InternalError)
        raise ended
    connection = await find_by_id(context.resources.database, seen.connection_id) if seen.connection_id else None
    if not connection or connection.user_id != attempt.binding.user_id:
        raise InvalidState
    return connection
