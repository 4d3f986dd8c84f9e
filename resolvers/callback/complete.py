"""A callback from top to bottom. The package's docstring has the steps."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Final

import structlog

from models.connection import StoredConnection
from models.database import DatabaseDown
from providers.errors import HeldBack
from resolvers import audit
from resolvers.background import StillRunning
from resolvers.callback import claims
from resolvers.callback.account import add_account
from resolvers.callback.check import Callback, check
from resolvers.callback.claims import Attempt
from resolvers.callback.exchange import exchange
from resolvers.callback.replay import replay, replay_without_claim
from resolvers.callback.store import store
from resolvers.caller import WRITE, user_with_scope
from resolvers.context import Context
from resolvers.errors import InternalError, Problem, ServiceUnavailable

__all__ = ["Callback", "complete_connection"]

log = structlog.get_logger("tendon")

# Seconds to wait for a slot among the exchanges with a provider.
_SLOT_TIMEOUT: Final = 0.5
# Seconds that a caller waits at most, in addition to the lease: for a slot before the claim, and, after a lease that
# another attempt abandoned, for the request to be ended.
_BEYOND: Final = 2.0


async def complete_connection(context: Context, callback: Callback) -> StoredConnection:
    """The connection that this callback makes, or made before.

    Raises ValidationError, ProviderNotFound, InvalidState, InvalidGrant, AccessDenied, ProviderUnavailable,
    ProviderMisconfigured, ServiceUnavailable and what `user_with_scope` raises.
    """
    try:
        user = user_with_scope(context.caller, WRITE)
        registration = check(context, callback)
    except Problem as problem:
        await audit.denied(context, audit.COMPLETE, problem, provider=callback.provider)
        raise
    attempt = Attempt.of(user, registration, callback.redirect_uri, callback.state, callback.answer)
    try:
        return await context.resources.background.run(
            _redeem(context, attempt, callback), claims.lease(context) + _BEYOND
        )
    except StillRunning:
        log.warning("callback.slow", provider=callback.provider)
        raise ServiceUnavailable("This takes longer than usual. Send the same callback again.") from None


async def _redeem(context: Context, attempt: Attempt, callback: Callback) -> StoredConnection:
    # Callbacks for the same state wait for the end of this block, which comes after the request has ended.
    with ExitStack() as in_progress:
        try:
            return await _redeemed(context, attempt, callback, in_progress)
        except (Problem, DatabaseDown):
            raise
        except Exception:
            # After an unexpected exception the code may be spent, so the request ends, if this attempt has the claim:
            # others should not have to wait for the end of the lease.
            with suppress(DatabaseDown, Problem):
                await claims.fail(context, attempt, InternalError())
            raise


async def _redeemed(context: Context, attempt: Attempt, callback: Callback, in_progress: ExitStack) -> StoredConnection:
    resources, binding = context.resources, attempt.binding
    await resources.check_can_seal()
    # Waited for before the claim: an attempt that can't ask the provider now claims nothing.
    try:
        permit = await resources.provider_limits.of(binding.provider).permit(_SLOT_TIMEOUT)
    except HeldBack as held_back:
        return await replay_without_claim(context, attempt, held_back)
    with permit:
        claim = await claims.claim(context, attempt)
        if claim is not None:
            in_progress.enter_context(resources.exchanges.in_progress(binding.state_hash))
            received = await exchange(context, attempt, claim, callback, permit)
        else:
            permit.leave_unused()
            received = None
    if received is None:
        return await replay(context, attempt)
    connection = await store(context, attempt, received, callback.scope)
    await add_account(context, attempt, received, connection)
    log.info("connection.completed", provider=connection.provider, connection_id=connection.id)
    return connection
