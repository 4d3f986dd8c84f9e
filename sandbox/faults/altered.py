"""Faults that process the request and then alter the token object of the correct answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from starlette.responses import Response
from starlette.types import ASGIApp

from sandbox import responses
from sandbox.endpoint_request import EndpointRequest, Fault
from sandbox.fault_plan import PlannedFault

Token = dict[str, Any]


def _altered(alter: Callable[[Token, EndpointRequest], None]) -> Fault:
    """An answer without an access token, such as an error or a page, is not changed."""

    async def fault(request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
        response = request.answer()
        found = _token(response)
        if found is None:
            return response
        document, token = found
        alter(token, request)
        return responses.document(document)

    return fault


def _token(response: Response) -> tuple[Token, Token] | None:
    """The whole answer, and the object in it that contains the access token."""
    if response.media_type != "application/json":
        return None
    document = json.loads(bytes(response.body) or b"{}")
    pending: list[object] = [document]
    while pending:
        candidate = pending.pop()
        if isinstance(candidate, list):
            pending.extend(cast("list[object]", candidate))
        elif isinstance(candidate, dict):
            if "access_token" in candidate:
                return document, cast("Token", candidate)
            pending.extend(cast("Token", candidate).values())
    return None


def _without(name: str) -> Fault:
    return _altered(lambda token, _request: token.pop(name, None))


def _with(name: str, value: object) -> Fault:
    return _altered(lambda token, _request: token.update({name: value}))


def _lifetime(seconds: object) -> Fault:
    def alter(token: Token, request: EndpointRequest) -> None:
        token["expires_in"] = seconds
        if request.provider.dialect.expires == "expires_at":
            token["expires_at"] = seconds

    return _altered(alter)


def _narrow(token: Token, request: EndpointRequest) -> None:
    dialect = request.provider.dialect
    token["scope"] = dialect.scope_separator.join(dialect.scopes(token.get("scope"))[:-1])


async def duplicate_keys(request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    response = request.answer()
    key = b'"access_token": '
    if key not in bytes(response.body):
        return response
    return Response(bytes(response.body).replace(key, key + b'"another", ' + key, 1), media_type="application/json")


FAULTS: dict[str, Fault] = {
    "no_access_token": _without("access_token"),
    "wrong_types": _with("access_token", 12345),
    "expires_negative": _lifetime(-3600),
    "expires_huge": _lifetime(10**30),
    "expires_string": _lifetime("3600"),
    "expires_bool": _lifetime(seconds=True),
    "duplicate_keys": duplicate_keys,
    "token_type_mac": _with("token_type", "mac"),
    "no_refresh": _without("refresh_token"),
    "narrow_scope": _altered(_narrow),
}
