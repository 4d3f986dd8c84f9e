"""Asking the provider for the tokens of a claimed request, once, and what its errors mean in the contract's words."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import NoReturn

import msgspec
import structlog

from models.database import DatabaseDown
from models.vault import DoesNotOpen, MissingKey, VaultError
from providers.errors import REGISTERED, Effect, ErrorAnswer, Meaning, RequestFailed, TransportFailure, effect_of
from providers.oauth_client import exchange_code
from providers.provider_limit import Permit
from providers.token_answer import TokenAnswer
from resolvers.callback.claims import STORING, Attempt, Claim, fail, not_asked, release
from resolvers.context import Context
from resolvers.errors import (
    AccessDenied,
    InvalidGrant,
    InvalidState,
    Problem,
    ProviderMisconfigured,
    ProviderUnavailable,
    ServiceUnavailable,
)

log = structlog.get_logger("tendon")


class Received(msgspec.Struct, frozen=True):
    """What the provider gave for a claim, and when it was asked, by the database's clock: as near to the issuing as can
    be known, since an answer may be held up for longer than a request."""

    claim: Claim
    answer: TokenAnswer
    granted_at: datetime


async def exchange(context: Context, attempt: Attempt, claim: Claim, permit: Permit) -> Received:
    """The tokens for the callback's code. If there are none, the request ends, or is released if nothing was sent.

    Raises the problem that the provider's answer is, InvalidState and ServiceUnavailable if the verifier can't be
    decrypted, and what `fail` raises.
    """
    callback = attempt.callback
    if callback.error:
        # It came through a browser, so only known codes go into the log.
        error = callback.error if callback.error in REGISTERED else "another"
        log.warning("authorization.refused", provider=attempt.binding.provider, error=error)
        await _end(context, attempt, _redirect_problem(callback.error))
    verifier = await _open_verifier(context, attempt, claim)
    registration, resources, now = attempt.registration, context.resources, asyncio.get_running_loop().time()
    try:
        answer = await exchange_code(
            resources.client,
            registration.provider,
            registration.credentials,
            code=callback.code,
            redirect_uri=callback.redirect_uri,
            code_verifier=verifier if registration.provider.authorize.pkce == "S256" else None,
            # `claimed_at` is by the database's clock what `since` is by the loop's.
            now=claim.claimed_at + timedelta(seconds=now - claim.since),
            deadline=now + resources.provider_timeout,
            latest=claim.until - STORING,
        )
    except RequestFailed as fault:
        permit.note(fault)
        log_failure(registration.key, fault)
        if isinstance(fault, TransportFailure) and not fault.sent:
            # Any other request may have spent the code.
            await release(context, attempt)
            raise not_asked() from None
        await _end(context, attempt, exchange_problem(fault))
    return Received(claim, answer, claim.claimed_at + timedelta(seconds=answer.sent_at - claim.since))


async def _open_verifier(context: Context, attempt: Attempt, claim: Claim) -> str:
    """Every request has one until it ends, so a row without it was edited in the database."""
    try:
        return context.resources.vault.open(claim.request.verifier or b"", **attempt.binding.verifier_field)
    except VaultError as fault:
        log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key id is enough
        if await _was_edited(context, fault):
            await _end(context, attempt, InvalidState())
        # Another process may have the right key, and this one may get it later.
        await release(context, attempt)
        raise ServiceUnavailable from None


async def _was_edited(context: Context, fault: VaultError) -> bool:
    """Whether the row was changed in the database, given that the key is the right one."""
    if isinstance(fault, MissingKey):
        return False
    try:
        return not isinstance(fault, DoesNotOpen) or fault.key_id not in await context.resources.vault_keys.unusable()
    except DatabaseDown:
        return False


async def _end(context: Context, attempt: Attempt, problem: Problem) -> NoReturn:
    await fail(context, attempt, problem)
    raise problem


def _redirect_problem(error: str) -> Problem:
    """The problem for the `error` of an authorization response. An unknown one counts as the user's refusal."""
    if error == "invalid_request":
        # No code was sent that could be at fault: the request was ours.
        return ProviderMisconfigured()
    match REGISTERED.get(error):
        case Meaning.MISCONFIGURED:
            return ProviderMisconfigured()
        case Meaning.TEMPORARY | Meaning.SLOW_DOWN:
            return ProviderUnavailable()
        case _:
            return AccessDenied()


def log_failure(provider: str, fault: RequestFailed, **details: str) -> None:
    """What only an operator can correct is an error, with a name of its own."""
    if effect_of(fault) is Effect.MISCONFIGURED:
        log.error("exchange.misconfigured", provider=provider, fault=str(fault), **details)
    else:
        log.warning("exchange.failed", provider=provider, fault=str(fault), **details)


def exchange_problem(fault: RequestFailed) -> Problem:
    """The problem for a failed token request. A refusal without further details counts as a refusal of the code."""
    if not isinstance(fault, ErrorAnswer):
        return ProviderUnavailable()
    match fault.meaning:
        case Meaning.SLOW_DOWN | Meaning.TEMPORARY:
            return _unavailable(fault.retry_after)
        case Meaning.MISCONFIGURED:
            return ProviderMisconfigured()
        case Meaning.ACCESS_DENIED:
            return AccessDenied()
        case Meaning.GRANT_OVER | Meaning.UNCLEAR:
            return InvalidGrant()


def _unavailable(retry_after: int | None) -> ProviderUnavailable:
    """The code has been sent and is never sent again, so the wait applies to a new flow, and the message says so."""
    if retry_after is None:
        return ProviderUnavailable()
    return ProviderUnavailable(
        f"The provider is not accepting requests. Start the connection again in {retry_after} seconds.",
        retry_after=retry_after,
    )
