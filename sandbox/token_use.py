"""The endpoints that take an issued token: account (RFC 6750) and revocation (RFC 7009, with vendors' variants).

Revoking a token ends its consent with all tokens that were issued for it.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from sandbox import responses
from sandbox.client import authenticate, bearer
from sandbox.dialect import Revocation
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError
from sandbox.token_endpoint import check_form
from sandbox.token_store import ACCESS, Token


def account(request: EndpointRequest) -> Response:
    """The account that a live access token in the Authorization header belongs to (RFC 6750 2.1)."""
    dialect = request.provider.dialect
    try:
        token = _live_bearer(request)
    except OAuthError as error:
        request.call.outcome = error.error
        return responses.error(error)
    request.call.outcome = "served"
    return responses.document(responses.put({}, dialect.account_field, responses.account_value(token.family.account)))


def revocation_endpoint(rule: Revocation) -> Callable[[EndpointRequest], Response]:
    """A revocation endpoint with this rule. An unknown token is not an error (RFC 7009 2.2)."""

    def respond(request: EndpointRequest) -> Response:
        try:
            token = _token_to_revoke(request, rule)
        except OAuthError as error:
            request.call.outcome = error.error
            return responses.error(error)
        request.call.outcome = "unknown_token" if token is None else "revoked"
        if token is not None:
            token.family.revoked = True
        return responses.empty() if rule.method == "DELETE" else responses.document({})

    return respond


def _token_to_revoke(request: EndpointRequest, rule: Revocation) -> Token | None:
    provider = request.provider
    if rule.token or rule.params:
        check_form(request, rule.params)
    if rule.auth == "bearer":
        return _live_bearer(request)
    if rule.auth != "none":
        authenticate(provider.client, rule.auth, request.authorization, request.form)
    value = request.form.get("token")
    if value is None:
        raise OAuthError("invalid_request", "token is missing")
    token = provider.tokens.tokens.get(value)
    if token is None or token.family.slug != provider.slug:
        return None
    if token.kind != rule.token:
        raise OAuthError("unsupported_token_type", f"this provider revokes by {rule.token}")
    return token


def _live_bearer(request: EndpointRequest) -> Token:
    """The access token that the request carries. Raises OAuthError, 401 invalid_token, unless it is live."""
    provider = request.provider
    token = provider.tokens.find(ACCESS, bearer(request.authorization), provider.slug)
    if token is None or token.state != "live":
        challenge = 'Bearer realm="sandbox", error="invalid_token"'
        raise OAuthError("invalid_token", "no live access token", status=401, challenge=challenge)
    return token
