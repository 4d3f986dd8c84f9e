"""A callback from top to bottom, beginning with the checks. The package's docstring has the steps."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import structlog

from models.connection import ConnectionStatus, StoredConnection
from models.database import DatabaseDown
from providers.errors import HeldBack
from resolvers import audit, inputs
from resolvers.background import StillRunning
from resolvers.callback import claims
from resolvers.callback.after_exchange import make_usable, with_granted
from resolvers.callback.claims import Attempt, Callback
from resolvers.callback.exchange import exchange
from resolvers.callback.pending import with_account
from resolvers.callback.replay import replay, replay_without_claim
from resolvers.callback.store import add_account, store
from resolvers.caller import WRITE, user_with_scope
from resolvers.context import Context, Registration
from resolvers.errors import InternalError, Problem, ServiceUnavailable, ValidationError

__all__ = ["Callback", "complete_connection"]

log = structlog.get_logger("tendon")

# Seconds to wait for a slot among the exchanges with a provider.
_SLOT_TIMEOUT: Final = 0.5
# Seconds that a caller waits at most, in addition to the lease: for a slot before the claim, and, after a lease that
# another attempt abandoned, for the request to be ended.
_BEYOND: Final = 2.0


async def complete_connection(context: Context, callback: Callback) -> StoredConnection:
    """The connection that this callback makes, or made before.

    Raises ValidationError, ProviderNotFound, InvalidState, InvalidGrant, AccessDenied, AccountTaken,
    ProviderUnavailable, ProviderMisconfigured, ServiceUnavailable and what `user_with_scope` raises.
    """
    try:
        user = user_with_scope(context.caller, WRITE)
        registration = _check(context, callback)
    except Problem as problem:
        await audit.denied(context, audit.COMPLETE, problem, provider=callback.provider)
        raise
    attempt = Attempt.of(context, user, registration, callback)
    try:
        return await context.resources.background.run(_redeem(context, attempt), attempt.lease + _BEYOND)
    except StillRunning:
        log.warning("callback.slow", provider=callback.provider)
        raise ServiceUnavailable("This takes longer than usual. Send the same callback again.") from None


def _check(context: Context, callback: Callback) -> Registration:
    """Our client at the callback's provider. Raises ValidationError, which names the member, and ProviderNotFound."""
    inputs.text("provider", callback.provider, inputs.SLUG)
    if callback.error:
        inputs.text("error", callback.error, inputs.ERROR)
        inputs.optional_text("code", callback.code, inputs.CODE)
    elif callback.code or not _may_lack_code(context, callback.provider):
        inputs.text("code", callback.code, inputs.CODE)
    inputs.text("state", callback.state, inputs.STATE)
    inputs.redirect_uri(callback.redirect_uri)
    if callback.iss:
        inputs.optional_text("iss", callback.iss, inputs.ISSUER)
    if callback.scope:
        inputs.optional_text("scope", callback.scope, inputs.SCOPE)
    registration = context.resources.registration_of_state(callback.provider, callback.state)
    expected = registration.provider.authorize.iss
    # RFC 9207 2.4: by exact comparison, so that a mix-up reaches no token endpoint.
    if expected is not None and callback.iss != expected:
        # A mix-up, a front end that leaves it out, or a catalogue that has it wrong: then it happens to everybody.
        log.warning("issuer.refused", provider=callback.provider, given=callback.iss is not None)
        raise ValidationError("iss must be the issuer that this provider sends.")
    return registration


def _may_lack_code(context: Context, slug: str) -> bool:
    """Whether a redirect of this provider that has neither a code nor an error says that access was refused. Nothing is
    known about one that there is not."""
    provider = context.resources.catalogue.get(slug)
    return provider is None or provider.authorize.denied == "state_only"


async def _redeem(context: Context, attempt: Attempt) -> StoredConnection:
    try:
        return await _redeemed(context, attempt)
    except (Problem, DatabaseDown):
        raise
    except Exception:
        # After an unexpected exception the code may be spent, so the request ends, if this attempt has the claim:
        # others should not have to wait for the end of the lease.
        with suppress(DatabaseDown, Problem):
            await claims.fail(context, attempt, InternalError())
        raise
    finally:
        # Callbacks for the same state wait for this. By now, the request has ended.
        context.resources.exchanges.end(attempt.binding.state_hash, attempt.owner)


async def _redeemed(context: Context, attempt: Attempt) -> StoredConnection:
    resources, binding, provider = context.resources, attempt.binding, attempt.registration.provider
    if not resources.vault_keys.is_checked:
        await resources.check_can_seal()
    # Waited for before the claim: an attempt that can't ask the provider now claims nothing.
    try:
        limit = resources.provider_limits.of(attempt.registration.key)
        permit = limit.permit_now() or await limit.permit(_SLOT_TIMEOUT)
    except HeldBack as held_back:
        return await replay_without_claim(context, attempt, held_back)
    with permit:
        claim = await claims.claim(context, attempt)
        if claim is not None:
            resources.exchanges.begin(binding.state_hash, attempt.owner)
            received = await exchange(context, attempt, claim, permit)
            if provider.after_exchange is not None:
                await make_usable(context, attempt, received, permit)
        else:
            permit.leave_unused()
            received = None
    if received is None:
        return await replay(context, attempt)
    is_unknown = received.answer.account is None and provider.account is not None
    if provider.granted is not None:
        received = await with_granted(context, attempt.registration, received)
    elif is_unknown and resources.account_policy == "reject":
        received = await with_account(context, attempt.registration, received)
    connection = await store(context, attempt, received)
    if is_unknown and resources.account_policy == "share" and provider.granted is None:
        await add_account(context, attempt.registration, received, connection)
    if connection.status == ConnectionStatus.PENDING:
        log.warning("connection.pending", provider=connection.provider, connection_id=connection.id)
    else:
        log.info("connection.completed", provider=connection.provider, connection_id=connection.id)
    return connection
