"""The revocation endpoint (RFC 7009, with vendors' variants): by token or as bearer, of a family or a whole grant."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from sandbox import responses
from sandbox.client import authenticate, bearer
from sandbox.dialect import Revocation
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError
from sandbox.resources import live_bearer
from sandbox.token_endpoint import check_form
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
    if rule.token or rule.params:
        check_form(request, rule.params)
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


def _bearer(request: EndpointRequest) -> Token | None:
    """Only a family that has ended can be told as gone; an expired token is an error like any other."""
    token = request.provider.tokens.find(ACCESS, bearer(request.authorization), request.provider.slug)
    if token is not None and token.family.ended is not None and _gone_status(request) is not None:
        return None
    return live_bearer(request)


def _gone(request: EndpointRequest, rule: Revocation) -> Response:
    """An unknown token is a success (RFC 7009 2.2), unless the settings say otherwise."""
    request.call.outcome = "unknown_token"
    status = _gone_status(request) or 200
    if status == 200:
        return _success(rule)
    return responses.document({"error": "invalid_token", "error_description": "access has ended"}, status)


def _gone_status(request: EndpointRequest) -> int | None:
    provider = request.provider
    family = provider.tokens.family_of(provider.slug, request.form.get("token"), bearer(request.authorization))
    return (provider.behaviour_for(family) if family else provider.settings).revoke_gone


def _success(rule: Revocation) -> Response:
    return responses.empty() if rule.method == "DELETE" else responses.document({})
