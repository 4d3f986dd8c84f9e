"""Sending a user to a provider: a request with a new state and verifier, and the URL to open (RFC 6749 4.1.1)."""

from __future__ import annotations

import structlog
from msgspec import Struct

from models.authorization_request import StateBinding, add_request, state_hash
from providers.authorization import authorization_url, challenge, new_state, new_verifier
from resolvers import audit, inputs
from resolvers.caller import WRITE, user_with_scope
from resolvers.clearing import start_if_due
from resolvers.context import Context, Registration
from resolvers.errors import Problem, ValidationError

log = structlog.get_logger("tendon")


class Authorization(Struct, frozen=True):
    """Where to send the user, and the state that the provider will send back with them."""

    url: str
    state: str


async def authorize_connection(context: Context, provider: str, redirect_uri: str) -> Authorization:
    """Store an authorization request for the calling user, valid for LIFETIME.

    Raises ValidationError (also for a redirect URI that is not on the allow-list), ProviderNotFound, ServiceUnavailable
    and what `user_with_scope` raises.
    """
    try:
        user = user_with_scope(context.caller, WRITE)
        registration = _check(context, provider, redirect_uri)
    except Problem as problem:
        await audit.denied(context, audit.AUTHORIZE, problem, provider=provider)
        raise
    # Made even if the provider doesn't support PKCE: the sealed verifier is what binds the request to the user.
    state, verifier = new_state(), new_verifier()
    if not context.resources.vault_keys.is_checked:
        await context.resources.check_can_seal()
    await _store(context, registration, redirect_uri, user=user, state=state, verifier=verifier)
    url = authorization_url(
        registration.provider,
        registration.credentials,
        redirect_uri=redirect_uri,
        state=state,
        code_challenge=challenge(verifier) if registration.provider.authorize.pkce == "S256" else None,
    )
    return Authorization(url, state)


def _check(context: Context, provider: str, redirect_uri: str) -> Registration:
    """Our client at the provider."""
    inputs.text("provider", provider, inputs.SLUG)
    inputs.redirect_uri(redirect_uri)
    registration = context.resources.registration(provider)
    if not context.resources.redirects.allows(redirect_uri):
        log.info("redirect.refused", provider=provider)
        raise ValidationError("redirectUri is not on the allow-list of this service.")
    return registration


async def _store(
    context: Context, registration: Registration, redirect_uri: str, *, user: str, state: str, verifier: str
) -> None:
    """Store the request with its audit row."""
    provider = registration.provider
    binding = StateBinding(state_hash(state), user, provider.slug, redirect_uri, registration.fingerprint)
    sealed = context.resources.vault.seal(verifier, **binding.verifier_field)
    entry = await context.audit_entry(
        audit.AUTHORIZE,
        subject=user,
        provider=provider.slug,
        outcome=audit.OK,
        scopes=provider.authorize.scopes,
    )
    await add_request(context.resources.database, binding, sealed, entry)
    start_if_due(context)
