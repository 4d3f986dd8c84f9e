"""The endpoints that take an issued token: account (RFC 6750) and revocation (RFC 7009, with vendors' variants).

Revoking a token ends its consent with all tokens that were issued for it.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from sandbox import responses
from sandbox.client import authenticate, bearer
from sandbox.dialect import Revocation
from sandbox.exchange import Exchange
from sandbox.oauth import OAuthError
from sandbox.token_endpoint import check_form
from sandbox.token_store import ACCESS, Token


def account(exchange: Exchange) -> Response:
    """The account that a live access token in the Authorization header belongs to (RFC 6750 2.1)."""
    dialect = exchange.provider.dialect
    try:
        token = _live_bearer(exchange)
    except OAuthError as error:
        exchange.call.outcome = error.error
        return responses.error(error)
    exchange.call.outcome = "served"
    return responses.document(responses.put({}, dialect.account_field, responses.account_value(token.family.account)))


def revocation_endpoint(rule: Revocation) -> Callable[[Exchange], Response]:
    """A revocation endpoint with this rule. An unknown token is not an error (RFC 7009 2.2)."""

    def respond(exchange: Exchange) -> Response:
        try:
            token = _token_to_revoke(exchange, rule)
        except OAuthError as error:
            exchange.call.outcome = error.error
            return responses.error(error)
        exchange.call.outcome = "unknown_token" if token is None else "revoked"
        if token is not None:
            token.family.revoked = True
        return responses.empty() if rule.method == "DELETE" else responses.document({})

    return respond


def _token_to_revoke(exchange: Exchange, rule: Revocation) -> Token | None:
    provider = exchange.provider
    if rule.token or rule.params:
        check_form(exchange, rule.params)
    if rule.auth == "bearer":
        return _live_bearer(exchange)
    if rule.auth != "none":
        authenticate(provider.client, rule.auth, exchange.authorization, exchange.form)
    value = exchange.form.get("token")
    if value is None:
        raise OAuthError("invalid_request", "token is missing")
    token = provider.tokens.tokens.get(value)
    if token is None or token.family.slug != provider.slug:
        return None
    if token.kind != rule.token:
        raise OAuthError("unsupported_token_type", f"this provider revokes by {rule.token}")
    return token


def _live_bearer(exchange: Exchange) -> Token:
    """The access token that the request carries. Raises OAuthError, 401 invalid_token, unless it is live."""
    provider = exchange.provider
    token = provider.tokens.find(ACCESS, bearer(exchange.authorization), provider.slug)
    if token is None or token.state != "live":
        challenge = 'Bearer realm="sandbox", error="invalid_token"'
        raise OAuthError("invalid_token", "no live access token", status=401, challenge=challenge)
    return token
