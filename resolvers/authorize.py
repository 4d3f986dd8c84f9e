"""Sending a user to a provider: a request with a new state and verifier, and the URL to open (RFC 6749 4.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog
from msgspec import Struct

from models.authorization_request import StateBinding, add_request, state_hash
from providers.authorization import authorization_url, challenge, new_state, new_verifier
from resolvers import audit, inputs
from resolvers.caller import WRITE, user_with_scope
from resolvers.clearing import start_if_due
from resolvers.context import NO_CREDENTIALS, Context, Registration
from resolvers.directory import UnavailableReason, unavailable_because
from resolvers.errors import Problem, ProviderNotFound, ValidationError

_UNAVAILABLE: Final = {
    UnavailableReason.NO_CREDENTIALS: NO_CREDENTIALS,
    UnavailableReason.NO_SITES: "The provider is in the catalogue, but this service offers none of its sites.",
}

log = structlog.get_logger("tendon")

# So many sites are named in a message.
_NAMED: Final = 50


class Authorization(Struct, frozen=True):
    """Where to send the user, and the state that the provider will send back with them."""

    url: str
    state: str


async def authorize_connection(
    context: Context, provider: str, redirect_uri: str, site: str | None = None
) -> Authorization:
    """Store an authorization request for the calling user, valid for LIFETIME. `site` may be None if the provider
    has no sites, or users can connect to one of them only.

    Raises ValidationError (also for a redirect URI that is not on the allow-list), ProviderNotFound, ServiceUnavailable
    and what `user_with_scope` raises.
    """
    try:
        user = user_with_scope(context.caller, WRITE)
        registration = _check(context, provider, redirect_uri, site)
    except Problem as problem:
        await audit.denied(context, audit.AUTHORIZE, problem, provider=provider)
        raise
    # Made even if the provider doesn't support PKCE: the sealed verifier is what binds the request to the user.
    state, verifier = new_state(registration.provider.site), new_verifier()
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


def _check(context: Context, provider: str, redirect_uri: str, site: str | None) -> Registration:
    """Our client at the provider."""
    inputs.text("provider", provider, inputs.SLUG)
    inputs.redirect_uri(redirect_uri)
    if site is not None:
        inputs.text("site", site, inputs.SLUG)
    registration = _registration(context, provider, site)
    if not context.resources.redirects.allows(redirect_uri):
        log.info("redirect.refused", provider=provider)
        raise ValidationError("redirectUri is not on the allow-list of this service.")
    return registration


def _registration(context: Context, slug: str, site: str | None) -> Registration:
    """At the site, if the provider has several. Raises ProviderNotFound, and ValidationError, whose message names the
    sites: they are public."""
    resources = context.resources
    provider = resources.catalogue.get(slug)
    if provider is None or not provider.has_sites:
        found = resources.registration(slug)
        if site is not None:
            raise ValidationError("site must be left out: this provider has no sites.")
        return found
    reason = unavailable_because(context, provider)
    if reason is not None:
        raise ProviderNotFound(_UNAVAILABLE[reason])
    ids = resources.connectable_sites(provider)
    if site is None and len(ids) > 1:
        raise ValidationError(f"site is required for this provider. It must be one of: {_listed(ids)}")
    if site is not None and site not in ids:
        raise ValidationError(f"site must be one of: {_listed(ids)}")
    return resources.registration(slug, site or ids[0])


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_NAMED]) + (", …" if len(ids) > _NAMED else "")


async def _store(
    context: Context, registration: Registration, redirect_uri: str, *, user: str, state: str, verifier: str
) -> None:
    """Store the request with its audit row."""
    provider = registration.provider
    binding = StateBinding(
        state_hash(state), user, provider.slug, redirect_uri, registration.fingerprint, provider.site
    )
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
