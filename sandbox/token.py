"""The token endpoint (RFC 6749 3.2): a form by POST, a client that proves itself, one grant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from sandbox import reply
from sandbox.client import Client, authenticate
from sandbox.exchange import Exchange
from sandbox.refusal import Refusal

Grant = Callable[[Exchange, Client], dict[str, Any] | None]


def token_endpoint(grants: Mapping[str, Grant]) -> Callable[[Exchange], Response]:
    """The answer of a token endpoint that knows these grant types."""

    def respond(exchange: Exchange) -> Response:
        dialect = exchange.provider.dialect
        try:
            token = _grant(exchange, grants)
        except Refusal as refused:
            exchange.call.outcome = refused.error
            return reply.token_refusal(dialect, refused)
        exchange.call.outcome = "extended" if token is None else "issued"
        return reply.token_success(dialect, token)

    return respond


def check_form(exchange: Exchange, params: Mapping[str, str]) -> None:
    """Raises Refusal unless the body is a form, read without doubt, with the dialect's own parameters in it."""
    if not exchange.is_form:
        raise Refusal("invalid_request", "the body is not a form")
    if exchange.form.malformed:
        raise Refusal("invalid_request", exchange.form.malformed)
    if any(exchange.form.get(name) != value for name, value in params.items()):
        raise Refusal("invalid_request", "a parameter that this provider wants is missing")


def _grant(exchange: Exchange, grants: Mapping[str, Grant]) -> dict[str, Any] | None:
    provider, form = exchange.provider, exchange.form
    check_form(exchange, provider.dialect.params)
    if exchange.query.values or exchange.query.malformed:
        raise Refusal("invalid_request", "parameters belong in the body, not in the address")
    client = authenticate(provider.client, provider.dialect.auth, exchange.authorization, form)
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise Refusal("invalid_request", "grant_type is missing")
    if grant_type not in grants:
        raise Refusal("unsupported_grant_type", "this endpoint does not know the grant type")
    return grants[grant_type](exchange, client)
