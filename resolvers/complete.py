"""The path of a callback, from top to bottom: check, claim, exchange, store.

1. Check the callback, before anything is spent, and wait for a slot at the provider.
2. Claim the authorization request with one conditional UPDATE (`claims.py`). A callback that loses gets the result of
   the one that won (`outcomes.py`).
3. Exchange the code. No transaction is open meanwhile.
4. Seal the tokens and write connection, request and audit row atomically (`renewal.py`), retrying while the database
   is down (`storing.py`). The provider's own id of the user, if it takes another request, is fetched afterwards.

Once claimed, it runs to its end, even if the caller disconnects or has waited for longer than the lease: sending the
same callback again returns the result.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Final

import structlog

from models.connection import StoredConnection
from models.database import DatabaseDown
from providers.errors import HeldBack
from providers.provider import Provider
from resolvers import audit, claims, outcomes
from resolvers.account import name_account
from resolvers.attempts import Attempt
from resolvers.background import StillRunning
from resolvers.callback import Callback, check
from resolvers.caller import WRITE, user_with_scope
from resolvers.context import Context, Registration
from resolvers.errors import InternalError, Problem, ServiceUnavailable, ValidationError
from resolvers.exchanging import claim_and_exchange
from resolvers.renewal import granted_scopes
from resolvers.storing import store

__all__ = ["Callback", "complete_connection"]

log = structlog.get_logger("tendon")

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
        registration = _checked(context, callback)
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


def _checked(context: Context, callback: Callback) -> Registration:
    check(callback)
    registration = context.resources.registration(callback.provider)
    _check_issuer(registration.provider, callback.iss)
    return registration


def _check_issuer(provider: Provider, iss: str | None) -> None:
    """RFC 9207 2.4: by exact comparison, before anything is spent, so that a mix-up reaches no token endpoint."""
    expected = provider.authorize.iss
    if expected is not None and iss != expected:
        # A mix-up, a front end that leaves it out, or a catalogue that has it wrong: then it happens to everybody.
        log.warning("issuer.refused", provider=provider.slug, given=iss is not None)
        raise ValidationError("iss must be the issuer that this provider sends.")


async def _redeem(context: Context, attempt: Attempt, callback: Callback) -> StoredConnection:
    with ExitStack() as hold:
        try:
            return await _redeemed(context, attempt, callback, hold)
        except (Problem, DatabaseDown):
            raise
        except Exception:
            # After what nobody foresaw the code may be spent, so the request ends, if it was this attempt's: others
            # should not have to sit out the lease.
            with suppress(DatabaseDown, Problem):
                await claims.fail(context, attempt, InternalError())
            raise


async def _redeemed(context: Context, attempt: Attempt, callback: Callback, hold: ExitStack) -> StoredConnection:
    try:
        received = await claim_and_exchange(context, attempt, callback, hold)
    except HeldBack as held:
        return await outcomes.unasked(context, attempt, held)
    if received is None:
        return await outcomes.of_another(context, attempt)
    provider = attempt.registration.provider
    scopes = granted_scopes(received, callback.scope, provider.authorize.scope_separator)
    connection = await store(context, attempt, received, scopes)
    await name_account(context, provider, received, connection)
    log.info("connection.completed", provider=connection.provider, connection_id=connection.id)
    return connection
