"""The account endpoint: whose tokens these are, for a live access token in the Authorization header (RFC 6750 2.1)."""

from __future__ import annotations

from starlette.responses import Response

from sandbox import reply
from sandbox.client import bearer
from sandbox.exchange import Exchange
from sandbox.ledger import ACCESS, Token
from sandbox.refusal import Refusal


def account(exchange: Exchange) -> Response:
    dialect = exchange.provider.dialect
    try:
        token = live_bearer(exchange)
    except Refusal as refused:
        exchange.call.outcome = refused.error
        return reply.refusal(refused)
    exchange.call.outcome = "served"
    return reply.document(reply.put({}, dialect.account_field, reply.account_value(token.family.account)))


def live_bearer(exchange: Exchange) -> Token:
    """The access token a request carries. Raises Refusal, 401 invalid_token, unless it is live."""
    provider = exchange.provider
    token = provider.ledger.find(ACCESS, bearer(exchange.authorization), provider.slug)
    if token is None or token.state != "live":
        challenge = 'Bearer realm="sandbox", error="invalid_token"'
        raise Refusal("invalid_token", "no live access token", status=401, challenge=challenge)
    return token
