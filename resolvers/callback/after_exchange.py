"""What only some providers need between the exchange and the storing: what an adapter does, without which the tokens
are of no use (`[after_exchange]`), and a question for the granted scopes (`[granted]`)."""

from __future__ import annotations

import asyncio

import structlog
from msgspec.structs import replace

from models.database import DatabaseDown
from providers import after_exchange
from providers.errors import RequestFailed
from providers.provider_limit import Permit
from resolvers.callback.claims import STORING, Attempt, fail
from resolvers.callback.exchange import Received, exchange_problem, log_failure
from resolvers.callback.giving_up import give_up
from resolvers.callback.pending import asking_deadline, with_account
from resolvers.context import Context, Registration
from resolvers.errors import InvalidGrant, Problem, ProviderUnavailable

log = structlog.get_logger("tendon")


async def make_usable(context: Context, attempt: Attempt, received: Received, permit: Permit) -> None:
    """Have the adapter of the entry do what it does. If that fails, the request ends, and the tokens become a
    revocation: the code is spent, and nobody could use them.

    Raises the problem that the provider's answer is, and what `fail` raises.
    """
    resources, answer, provider = context.resources, received.answer, attempt.registration.provider
    latest = received.claim.until - STORING
    try:
        user = await resources.pseudonyms.at_provider(
            provider.slug, provider.site, attempt.binding.user_id, answer.account
        )
        await after_exchange.make_usable(
            resources.client,
            provider,
            answer.access_token,
            user,
            deadline=min(asyncio.get_running_loop().time() + resources.provider_timeout, latest),
            latest=latest,
        )
    except RequestFailed as fault:
        permit.note(fault)
        log_failure(provider.key, fault, step="after_exchange")
        problem = exchange_problem(fault)
        if isinstance(problem, InvalidGrant):
            # The code was good.
            problem = ProviderUnavailable()
    except (DatabaseDown, Problem):
        # There is no pseudonym.
        problem = ProviderUnavailable()
    except BaseException:
        give_up(context, attempt, answer)
        raise
    else:
        return
    give_up(context, attempt, answer)
    await fail(context, attempt, problem)
    raise problem


async def with_granted(context: Context, registration: Registration, received: Received) -> Received:
    """What the provider gave, with the scopes that it says were granted. If the account is not known, it is asked for
    at the same time, so that the user waits once."""
    provider, answer = registration.provider, received.answer
    asking = _ask_granted(context, registration, received)
    if answer.account is None and provider.account is not None:
        granted, received = await asyncio.gather(asking, with_account(context, registration, received))
    else:
        granted = await asking
    return received if granted is None else replace(received, answer=replace(received.answer, scopes=granted))


async def _ask_granted(context: Context, registration: Registration, received: Received) -> tuple[str, ...] | None:
    """None if the provider doesn't say in time. The tokens are worth more than that, so it is only logged."""
    resources, provider = context.resources, registration.provider
    try:
        with await resources.provider_limits.granted_permit(registration.key):
            return await after_exchange.find_granted(
                resources.client,
                provider,
                received.answer.access_token,
                asking_deadline(received),
            )
    except RequestFailed as fault:
        log.warning("granted.unknown", provider=provider.key, fault=str(fault))
        return None
