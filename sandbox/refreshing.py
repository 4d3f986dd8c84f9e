"""Refreshing (RFC 6749 6): rotation, the grace of a used token, and what its reuse does (RFC 9700 4.14.2)."""

from __future__ import annotations

import time
from typing import Any

from sandbox.checks import check_form
from sandbox.client import Client
from sandbox.endpoint_request import EndpointRequest
from sandbox.issuing import Issue, access_expires_at, answer, refresh_expires_at
from sandbox.oauth import OAuthError, invalid_grant
from sandbox.settings import Settings
from sandbox.token_store import ACCESS, REFRESH, REUSE, Family, Token


def refresh_token(request: EndpointRequest, client: Client) -> dict[str, Any] | None:
    """New tokens, or None if the provider extends the lifetime of the old ones instead."""
    token = _known(request, client)
    family, settings = token.family, request.provider.behaviour_for(token.family)
    _check_usable(request, token, settings)
    scopes = _scopes(request, family)
    family.refreshes, family.used_at = family.refreshes + 1, time.time()
    issue = Issue(request, family, settings, token)
    if settings.refresh == "rotating" and family.refreshes % settings.rotate_every == 0:
        _use(token, settings)
        return answer(issue, scopes, refresh=True)
    token.expires_at = refresh_expires_at(settings)
    if settings.refresh == "extending":
        _extend(issue)
        return None
    return answer(issue, scopes, refresh=False)


def end_grace(access_token: Token, settings: Settings) -> None:
    """An access token is used, so that the refresh token that it was issued for may have to stop working."""
    if settings.grace_until_used and access_token.parent is not None:
        access_token.parent.grace_until = 0


def _known(request: EndpointRequest, client: Client) -> Token:
    if request.provider.settings.refresh == "none":
        raise OAuthError("unsupported_grant_type", "this provider issues no refresh tokens")
    value = request.form.get("refresh_token")
    if value is None:
        raise OAuthError("invalid_request", "refresh_token is missing")
    token = request.provider.tokens.find(REFRESH, value, request.provider.key)
    if token is None or token.family.grant.client_id != client.client_id:
        invalid_grant("the refresh token is unknown")
    return token


def _check_usable(request: EndpointRequest, token: Token, settings: Settings) -> None:
    if token.used_up:
        # Even if the family has ended: no client should ever send such a token.
        request.call.reuse = True
        token.family.reuses += 1
        if settings.reuse == "revokes":
            request.end(token.family, REUSE)
        invalid_grant("the refresh token was used before")
    if (state := token.state) not in ("live", "grace"):
        invalid_grant(f"the refresh token is {state}")


def _scopes(request: EndpointRequest, family: Family) -> tuple[str, ...]:
    """Those that were requested, else all that were granted. If the provider's refreshes always contain the same scope
    (WHOOP), that doesn't narrow anything."""
    dialect = request.provider.dialect
    check_form(request, dialect.refresh_params)
    if "scope" in dialect.refresh_params:
        return family.scopes
    requested = dialect.scopes(request.form.get("scope"))
    if not set(requested) <= set(family.scopes):
        raise OAuthError("invalid_scope", "a scope was not granted")
    return tuple(requested) or family.scopes


def _use(token: Token, settings: Settings) -> None:
    """Use up the token. Within its grace it is used already; then the others may be used up, too."""
    if token.used_at is None:
        token.use(settings.refresh_grace)
    elif settings.grace_siblings == "used":
        for other in list(token.family.live(REFRESH)):
            other.use(settings.refresh_grace)


def _extend(issue: Issue) -> None:
    """Prolong the family's access tokens, as COROS does instead of issuing new ones."""
    expires_at = access_expires_at(issue)
    for token in issue.family.tokens:
        if token.kind == ACCESS:
            token.expires_at = expires_at
