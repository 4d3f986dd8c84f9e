"""Claiming a request and asking the provider for its tokens, once."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

import structlog

from models.database import DatabaseDown
from models.request_claim import ClaimedRequest
from models.vault import DoesNotOpen, MissingKey, VaultError
from providers.errors import ProviderFault, TransportFailure
from providers.oauth_client import exchange_code
from providers.provider_limit import Permit
from providers.token_answer import TokenAnswer
from resolvers import claims, outcomes, refusals
from resolvers.attempts import Attempt, Claim
from resolvers.callback import Callback
from resolvers.context import Context
from resolvers.errors import InvalidState, Problem, ServiceUnavailable
from resolvers.sealing import check_seal

# Seconds to wait for a place among those who ask a provider.
_PLACE: Final = 0.5

log = structlog.get_logger("tendon")


@dataclass(frozen=True, slots=True)
class Received:
    """What the provider gave for a claim, and when it was asked, by the database's clock: as near to the issuing as can
    be known, since an answer may be held up for longer than a request."""

    claim: Claim
    answer: TokenAnswer
    granted_at: datetime


async def claim_and_exchange(
    context: Context, attempt: Attempt, callback: Callback, hold: ExitStack
) -> Received | None:
    """None when another attempt has the claim. While it is ours, until `hold` is closed, it is marked as under way.

    Waits for a place at the provider first: who can't ask it now claims nothing. Raises HeldBack then, and the problem
    that the provider's answer is.
    """
    await check_seal(context)
    with await _permitted(context, attempt) as permit:
        claim = await claims.claim(context, attempt)
        if claim is None:
            permit.leave_unused()
            return None
        hold.enter_context(context.resources.exchanges.in_progress(attempt.binding.state_hash))
        answer = await _ask(context, attempt, claim, callback, permit)
        return Received(claim, answer, claim.at(answer.sent_at))


async def _permitted(context: Context, attempt: Attempt) -> Permit:
    limit = context.resources.provider_limits.of(attempt.registration.provider.slug)
    return await limit.permit(_PLACE)


async def _ask(context: Context, attempt: Attempt, claim: Claim, callback: Callback, permit: Permit) -> TokenAnswer:
    """The tokens for the callback's code. No transaction is open meanwhile."""
    if callback.error:
        permit.leave_unused()
        log.warning("authorization.refused", provider=attempt.binding.provider, error=refusals.known(callback.error))
        await _give_up(context, attempt, refusals.of_redirect(callback.error))
    verifier = await _open_verifier(context, attempt, claim.request)
    registration, resources = attempt.registration, context.resources
    try:
        return await exchange_code(
            resources.client,
            registration.provider,
            registration.credentials,
            code=callback.code,
            redirect_uri=callback.redirect_uri,
            code_verifier=verifier if registration.provider.authorize.pkce == "S256" else None,
            deadline=asyncio.get_running_loop().time() + resources.provider_timeout,
            latest=claim.until - claims.STORING,
        )
    except ProviderFault as fault:
        permit.note(fault)
        log.warning("exchange.failed", provider=registration.provider.slug, fault=str(fault))
        await _after_fault(context, attempt, fault)


async def _after_fault(context: Context, attempt: Attempt, fault: ProviderFault) -> NoReturn:
    """A request that never left can be made again; any other may have spent the code."""
    if isinstance(fault, TransportFailure) and not fault.sent:
        await claims.release(context, attempt)
        raise outcomes.unspent() from None
    await _give_up(context, attempt, refusals.of_exchange(fault))


async def _open_verifier(context: Context, attempt: Attempt, request: ClaimedRequest) -> str:
    """Every request has one until it ends, so a row without it was edited in the database."""
    try:
        return context.resources.vault.open(request.verifier or b"", **attempt.binding.verifier_field)
    except VaultError as fault:
        log.error("vault.failed", fault=str(fault))  # noqa: TRY400 - the key id is enough
        if await _was_edited(context, fault):
            await _give_up(context, attempt, InvalidState())
        # Another process may have the right key, and this one may get it later.
        await claims.release(context, attempt)
        raise ServiceUnavailable from None


async def _was_edited(context: Context, fault: VaultError) -> bool:
    """Whether the row was changed in the database, given that the key is the right one."""
    if isinstance(fault, MissingKey):
        return False
    try:
        return not isinstance(fault, DoesNotOpen) or fault.key_id not in await context.resources.vault_keys.unusable()
    except DatabaseDown:
        return False


async def _give_up(context: Context, attempt: Attempt, problem: Problem) -> NoReturn:
    await claims.fail(context, attempt, problem)
    raise problem
