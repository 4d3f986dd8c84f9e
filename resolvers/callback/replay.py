"""The result of a callback that did not get the claim: that of the one that did, if both have the same code.

As long as that one has no result, no code is rejected, since a released claim leaves the state as it was.
"""

from __future__ import annotations

from typing import Final

import structlog

from models.authorization_request import RequestState, RequestStatus, differing_column, find_request
from models.connection import StoredConnection, find_by_id
from providers.errors import CircuitOpen, HeldBack
from resolvers import audit
from resolvers.background import backoff
from resolvers.callback.claims import Attempt, not_asked
from resolvers.clearing import abandon
from resolvers.context import Context
from resolvers.errors import PROBLEMS, InternalError, InvalidState, Problem, ServiceUnavailable

log = structlog.get_logger("tendon")

# Seconds between the looks at a request that another attempt has claimed.
_PAUSES: Final = (0.02, 0.04, 0.08, 0.16, 0.32, 0.5)
# How many may wait for one exchange in a process, so that a caller who repeats a callback can't take all slots.
_WAITERS: Final = 64


class _Forgotten(InvalidState):
    """The request was deleted while a callback waited for its result, since the user was forgotten."""


async def replay(context: Context, attempt: Attempt) -> StoredConnection:
    """Waits for the holder of the claim, until its lease ends at most, and records the result in the audit trail.

    Raises InvalidState, ServiceUnavailable if too many wait already, or the problem that ended the request.
    """
    try:
        connection = await _result(context, attempt)
    except Problem as problem:
        names_caller = not isinstance(problem, _Forgotten)
        provider = attempt.binding.provider
        await audit.denied(context, audit.COMPLETE, problem, provider=provider, names_caller=names_caller)
        raise
    await audit.replayed(context, connection)
    return connection


async def replay_without_claim(context: Context, attempt: Attempt, held_back: HeldBack) -> StoredConnection:
    """For an attempt that may not ask the provider now, and so has not tried to claim the request. A request that has
    ended or is claimed is answered as ever, and for a pending one the callback may be sent again later."""
    request = await find_request(context.resources.database, attempt.binding, attempt.answer_hash)
    if request is None or request.expired or request.status != RequestStatus.PENDING:
        return await replay(context, attempt)
    log.info("exchange.held.back", provider=attempt.binding.provider, fault=str(held_back))
    if isinstance(held_back, CircuitOpen):
        raise not_asked(held_back.retry_after)
    raise ServiceUnavailable(
        "Too many connections to this provider are in progress. Send the same callback again shortly."
    )


async def _result(context: Context, attempt: Attempt) -> StoredConnection:
    key, resources, tries = attempt.binding.state_hash, context.resources, 0
    was_found = False
    while True:
        request = await find_request(resources.database, attempt.binding, attempt.answer_hash)
        if request is None and was_found:
            _refused(attempt, "unknown")
            raise _Forgotten
        was_found = True
        if request is None or request.status != RequestStatus.EXCHANGING:
            return await _ended(context, attempt, request)
        if request.lease_over:
            await abandon(context, key, attempt.binding.user_id)
        elif resources.exchanges.waiting(key) >= _WAITERS:
            raise ServiceUnavailable
        else:
            tries += 1
            await resources.exchanges.wait(key, backoff(_PAUSES, tries))


async def _ended(context: Context, attempt: Attempt, request: RequestState | None) -> StoredConnection:
    """Raises the problem that ended the request, InvalidState if the code differs from the one it ended with, and
    ProviderUnavailable with a time to wait when the holder could not reach the provider and released the claim."""
    if request is None:
        different = await differing_column(context.resources.database, attempt.binding)
        raise _refused(attempt, f"another {different}" if different else "unknown")
    if request.status == RequestStatus.PENDING:
        raise _refused(attempt, "expired") if request.expired else not_asked()
    if not request.has_code:
        raise _refused(attempt, "another code")
    error = {} if request.error is None else {"error": request.error}
    log.info("callback.repeated", provider=attempt.binding.provider, status=request.status, **error)
    if request.status == RequestStatus.FAILED:
        raise PROBLEMS.get(request.error or "", InternalError)
    database, user = context.resources.database, attempt.binding.user_id
    connection = await find_by_id(database, request.connection_id, user) if request.connection_id else None
    if connection is None:
        raise InvalidState
    return connection


def _refused(attempt: Attempt, reason: str) -> InvalidState:
    """The reason is for the log: callers get one message for all of them."""
    log.info("state.refused", provider=attempt.binding.provider, reason=reason)
    return InvalidState()
