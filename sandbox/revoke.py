"""The revocation endpoint (RFC 7009, or what a vendor made of it): ends a consent with every token it gave."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from sandbox import reply
from sandbox.account import live_bearer
from sandbox.client import authenticate
from sandbox.dialect import Revocation
from sandbox.exchange import Exchange
from sandbox.ledger import Token
from sandbox.refusal import Refusal
from sandbox.token import check_form


def revocation_endpoint(rule: Revocation) -> Callable[[Exchange], Response]:
    """The answer of a revocation endpoint with this rule. An unknown token is no error (RFC 7009 2.2)."""

    def respond(exchange: Exchange) -> Response:
        try:
            token = _presented(exchange, rule)
        except Refusal as refused:
            exchange.call.outcome = refused.error
            return reply.refusal(refused)
        exchange.call.outcome = "unknown_token" if token is None else "revoked"
        if token is not None:
            token.family.revoked = True
        return reply.empty() if rule.method == "DELETE" else reply.document({})

    return respond


def _presented(exchange: Exchange, rule: Revocation) -> Token | None:
    provider = exchange.provider
    if rule.token or rule.params:
        check_form(exchange, rule.params)
    if rule.auth == "bearer":
        return live_bearer(exchange)
    if rule.auth != "none":
        authenticate(provider.client, rule.auth, exchange.authorization, exchange.form)
    value = exchange.form.get("token")
    if value is None:
        raise Refusal("invalid_request", "token is missing")
    token = provider.ledger.tokens.get(value)
    if token is None or token.family.slug != provider.slug:
        return None
    if token.kind != rule.token:
        raise Refusal("unsupported_token_type", f"this provider revokes by {rule.token}")
    return token
