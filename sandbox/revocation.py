"""The revocation endpoint (RFC 7009, with vendors' variants): by token or as bearer, of a family or a whole grant."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from sandbox import responses
from sandbox.client import authenticate, bearer
from sandbox.dialect import ACCOUNT, Revocation, find_form
from sandbox.endpoint_request import EndpointRequest, check_form
from sandbox.oauth import OAuthError
from sandbox.resources import live_bearer
from sandbox.settings import Settings
from sandbox.token_store import ACCESS, REVOKED, Token


def revocation_endpoint(rule: Revocation) -> Callable[[EndpointRequest], Response]:
    """A revocation endpoint with this rule."""

    def respond(request: EndpointRequest) -> Response:
        try:
            token = _token_to_revoke(request, rule)
            if token is None:
                return _gone(request, rule)
        except OAuthError as error:
            request.refused(error)
            return responses.error(error)
        grant, settings = token.family.grant, request.provider.behaviour_for(token.family)
        for family in [token.family] if settings.revoke_ends == "token" else grant.living:
            request.end(family, REVOKED)
        request.call.outcome = "revoked"
        return _success(rule)

    return respond


def _token_to_revoke(request: EndpointRequest, rule: Revocation) -> Token | None:
    """None if it is unknown or has ended. Raises OAuthError."""
    provider = request.provider
    _check_account(request, rule)
    if rule.auth == "bearer":
        return _bearer(request)
    if rule.auth != "none":
        authenticate(provider.client, rule.auth, request.authorization, request.form)
    value = request.form.get("token")
    if value is None:
        raise OAuthError("invalid_request", "token is missing")
    token = provider.tokens.tokens.get(value)
    if token is None or token.family.grant.slug != provider.slug:
        return None
    if token.kind != rule.token:
        raise OAuthError("unsupported_token_type", f"this provider revokes by {rule.token}")
    usable = provider.behaviour_for(token.family).revoke_by_used or token.state in ("live", "grace")
    return token if token.family.ended is None and usable else None


def _check_account(request: EndpointRequest, rule: Revocation) -> None:
    """Raises OAuthError unless form and URL have what the provider requires, and name the account of the token."""
    account, params = request.call.account, rule.params
    if account is None:
        params = {name: value for name, value in params.items() if ACCOUNT not in value}
    if rule.token or rule.params:
        check_form(request, {name: value.replace(ACCOUNT, account or "") for name, value in params.items()})
    if rule.of_account and account not in (None, request.path):
        raise OAuthError("invalid_request", "the URL names another account")


def _bearer(request: EndpointRequest) -> Token | None:
    """None if access has ended and the provider tells that apart; an expired token is an error like any other."""
    token = request.provider.tokens.find(ACCESS, bearer(request.authorization), request.provider.slug)
    ended = token is not None and token.family.ended is not None
    if ended and (_settings(request).revoke_gone is not None or _gone_error(request) is not None):
        return None
    return live_bearer(request)


def _gone(request: EndpointRequest, rule: Revocation) -> Response:
    """An unknown token is a success (RFC 7009 2.2), unless the entry or the settings say otherwise."""
    request.call.outcome = "unknown_token"
    return _gone_error(request) or _success(rule)


def _gone_error(request: EndpointRequest) -> Response | None:
    """How the provider says that there is nothing left to revoke; None if it doesn't."""
    status, dialect = _settings(request).revoke_gone, request.provider.dialect
    if status == 200:
        return None
    fault = OAuthError("invalid_token", "there is nothing to revoke", status=status or 400)
    if status is not None:
        return responses.error(fault)
    form = find_form(dialect.errors_at("revoke"), "grant_over", "token")
    return form and responses.token_error(dialect, fault, endpoint="revoke", form=form)


def _settings(request: EndpointRequest) -> Settings:
    provider = request.provider
    family = provider.tokens.family_of(provider.slug, request.form.get("token"), bearer(request.authorization))
    return provider.behaviour_for(family) if family else provider.settings


def _success(rule: Revocation) -> Response:
    return responses.empty() if rule.method == "DELETE" else responses.document({})
