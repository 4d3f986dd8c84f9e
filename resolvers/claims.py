"""The exactly-once claim: at most one attempt may ever exchange the code of an authorization request.

One conditional UPDATE decides, in the database, so any number of processes can run side by side. A claim is a lease:
when its holder died, the code may be spent already, so the request has failed and the user starts again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog
from tortoise.expressions import F
from tortoise.queryset import QuerySet

from models.authorization_request import AuthorizationRequest, RequestStatus
from models.connection import Connection
from models.database import transaction
from resolvers import audit
from resolvers.context import Context, Registration
from resolvers.errors import PROBLEMS, InternalError, InvalidState, Problem, ProviderUnavailable
from resolvers.states import REMEMBERED, state_hash

log = structlog.get_logger("tendon")

# What the writing after the exchange may take on top of the provider's time-out.
_WRITING: Final = timedelta(seconds=5)
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Attempt:
    """One callback's wish to redeem a state. `answer` is what the provider sent: a code, or the refusal instead."""

    user: str
    registration: Registration
    redirect_uri: str
    key: str
    answer_hash: str
    owner: str

    @classmethod
    def of(cls, user: str, registration: Registration, redirect_uri: str, state: str, answer: str) -> Attempt:
        digest = hashlib.sha256(answer.encode()).hexdigest()
        return cls(user, registration, redirect_uri, state_hash(state), digest, uuid4().hex)

    @property
    def binding(self) -> dict[str, str]:
        """All that a state is bound to. A callback that differs in any of it is told INVALID_STATE."""
        return {
            "state_hash": self.key,
            "user_id": self.user,
            "provider": self.registration.provider.slug,
            "redirect_uri": self.redirect_uri,
            "registration": self.registration.fingerprint,
        }


async def claim(context: Context, attempt: Attempt) -> AuthorizationRequest | None:
    """The request, now ours alone to exchange, or None when it is not to be had."""
    now = datetime.now(UTC)
    lease = timedelta(seconds=context.resources.provider_timeout) + _WRITING
    claimed = await AuthorizationRequest.filter(
        **attempt.binding, status=RequestStatus.PENDING, expires_at__gt=now
    ).update(
        status=RequestStatus.EXCHANGING,
        code_hash=attempt.answer_hash,
        owner=attempt.owner,
        lease_until=now + lease,
        purge_after=now + REMEMBERED,
    )
    return await AuthorizationRequest.get(state_hash=attempt.key) if claimed else None


async def release(attempt: Attempt) -> None:
    """Give the claim back: nothing was sent, the code is as good as before."""
    await _held(attempt).update(status=RequestStatus.PENDING, owner=None, lease_until=None, purge_after=F("expires_at"))


def unspent() -> ProviderUnavailable:
    """Said when the provider could not even be connected to: the same callback may be sent again."""
    return ProviderUnavailable("The provider can't be reached. Send the same callback again shortly.", retry_after=5)


async def fail(context: Context, attempt: Attempt, problem: Problem) -> None:
    """End the request, if it is still ours. Repeated callbacks hear the same code."""
    async with transaction():
        if await _held(attempt).update(status=RequestStatus.FAILED, error=problem.code, verifier=None):
            await _record(context, attempt, problem.code)


async def finish(attempt: Attempt, connection_id: UUID) -> None:
    """Mark the request completed, inside the transaction that writes the connection.

    Raises ProviderUnavailable when the lease was lost meanwhile: others were told already to start again.
    """
    done = await _held(attempt).update(
        status=RequestStatus.COMPLETED, connection_id=connection_id, verifier=None, owner=None, lease_until=None
    )
    if not done:
        raise ProviderUnavailable


async def outcome_of_another(context: Context, attempt: Attempt) -> Connection:
    """What a callback gets that did not win the claim: the result of the one that did, for the same code only.

    Raises InvalidState, or the problem that ended the request.
    """
    pause = _FIRST_PAUSE
    while True:
        request = await AuthorizationRequest.filter(**attempt.binding).first()
        if request is None or request.code_hash != attempt.answer_hash:
            log.info("state.refused", provider=attempt.registration.provider.slug, reason=await _why(attempt, request))
            await _record(context, attempt, InvalidState.code)
            raise InvalidState
        if request.status != RequestStatus.EXCHANGING:
            log.info("callback.repeated", provider=request.provider, status=request.status, error=request.error)
            return await _settled(request)
        if request.lease_until is None or request.lease_until <= datetime.now(UTC):
            await _abandon(context, attempt, request)
            continue
        await context.resources.flights.pause(attempt.key, pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _why(attempt: Attempt, bound: AuthorizationRequest | None) -> str:
    """Why a state can't be spent: for the log, since callers hear one sentence for all of it."""
    if bound is not None:
        return "another code" if bound.code_hash else "expired"
    request = await AuthorizationRequest.get_or_none(state_hash=attempt.key)
    if request is None:
        return "unknown"
    differing = [name for name, value in attempt.binding.items() if getattr(request, name) != value]
    return f"another {differing[0]}" if differing else "unknown"


async def _settled(request: AuthorizationRequest) -> Connection:
    if request.status == RequestStatus.FAILED:
        ended = PROBLEMS.get(request.error or "", InternalError)
        raise ended
    if request.status == RequestStatus.PENDING:
        if request.expires_at <= datetime.now(UTC):
            raise InvalidState
        # The attempt that held it could not reach the provider and gave it back.
        raise unspent()
    connection = await Connection.get_or_none(id=request.connection_id, user_id=request.user_id)
    if connection is None:
        raise InvalidState
    return connection


async def _abandon(context: Context, attempt: Attempt, request: AuthorizationRequest) -> None:
    """Its holder died. Conditional on the lease just seen, so that one of those who see it does it."""
    async with transaction():
        abandoned = await AuthorizationRequest.filter(
            state_hash=request.state_hash, status=RequestStatus.EXCHANGING, owner=request.owner
        ).update(status=RequestStatus.FAILED, error=ProviderUnavailable.code, verifier=None)
        if abandoned:
            await _record(context, attempt, ProviderUnavailable.code)


def _held(attempt: Attempt) -> QuerySet[AuthorizationRequest]:
    return AuthorizationRequest.filter(state_hash=attempt.key, status=RequestStatus.EXCHANGING, owner=attempt.owner)


async def _record(context: Context, attempt: Attempt, outcome: str) -> None:
    provider = attempt.registration.provider.slug
    await audit.record(context, audit.COMPLETE, subject=attempt.user, provider=provider, outcome=outcome)
