"""Faults that process the request and then bend the right answer's token object."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from starlette.responses import Response
from starlette.types import ASGIApp

from sandbox import reply
from sandbox.exchange import Exchange
from sandbox.faults.fault import Fault

Token = dict[str, Any]


def _bent(bend: Callable[[Token, Exchange], None]) -> Fault:
    """An answer without an access token (an error, a page) stays as it is."""

    async def fault(exchange: Exchange, _seconds: float | None) -> ASGIApp:
        response = exchange.answer()
        found = _token(response)
        if found is None:
            return response
        document, token = found
        bend(token, exchange)
        return reply.document(document)

    return fault


def _token(response: Response) -> tuple[Token, Token] | None:
    """The answer and the object in it that holds the access token, at whatever root."""
    if response.media_type != "application/json":
        return None
    document = json.loads(bytes(response.body) or b"{}")
    waiting: list[Token] = [document]
    while waiting:
        candidate = waiting.pop()
        if "access_token" in candidate:
            return document, candidate
        waiting.extend(cast("Token", value) for value in candidate.values() if isinstance(value, dict))
    return None


def _without(name: str) -> Fault:
    return _bent(lambda token, _exchange: token.pop(name, None))


def _with(name: str, value: object) -> Fault:
    return _bent(lambda token, _exchange: token.update({name: value}))


def _life(life: object) -> Fault:
    def bend(token: Token, exchange: Exchange) -> None:
        token["expires_in"] = life
        if exchange.provider.dialect.expires == "expires_at":
            token["expires_at"] = life

    return _bent(bend)


def _narrow(token: Token, exchange: Exchange) -> None:
    dialect = exchange.provider.dialect
    token["scope"] = dialect.scope_separator.join(dialect.scopes(token.get("scope"))[:-1])


async def duplicate_keys(exchange: Exchange, _seconds: float | None) -> ASGIApp:
    response = exchange.answer()
    key = b'"access_token": '
    if key not in bytes(response.body):
        return response
    return Response(bytes(response.body).replace(key, key + b'"another", ' + key, 1), media_type="application/json")


FAULTS: dict[str, Fault] = {
    "no_access_token": _without("access_token"),
    "wrong_types": _with("access_token", 12345),
    "expires_negative": _life(-3600),
    "expires_huge": _life(10**30),
    "expires_string": _life("3600"),
    "expires_bool": _life(life=True),
    "duplicate_keys": duplicate_keys,
    "token_type_mac": _with("token_type", "mac"),
    "no_refresh": _without("refresh_token"),
    "narrow_scope": _bent(_narrow),
}
