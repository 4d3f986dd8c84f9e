"""What an access token opens (RFC 6750): the account, the granted scopes, and the provider's API under `/api/`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from sandbox import responses
from sandbox.checks import check_form, check_headers, check_query
from sandbox.client import bearer
from sandbox.dialect import BearerCall
from sandbox.dialect.calls import ANY_CALL
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError
from sandbox.refreshing import end_grace
from sandbox.token_store import ACCESS, Token


def account(request: EndpointRequest) -> Response:
    """The account that a valid access token in the Authorization header belongs to (RFC 6750 2.1)."""
    return _answer(request, request.provider.dialect.account_call, _account_of)


def granted(request: EndpointRequest) -> Response:
    """The scopes that the user granted and has not withdrawn since."""
    call = request.provider.dialect.granted_call or ANY_CALL
    return _answer(request, call, lambda token: list(token.family.scopes))


def api(request: EndpointRequest) -> Response:
    """Any resource of the API, for a valid access token. One that has the name of a scope requires that scope."""
    dialect = request.provider.dialect
    try:
        token = _used(request)
        check_headers(request, dialect.api_headers)
        _check_prepared(token, dialect.preparation)
        scopes = _scopes(request, token)
    except OAuthError as error:
        request.refused(error)
        return responses.error(error)
    request.call.outcome = "served"
    return responses.document({"resource": request.path, "account": _account_of(token), "scopes": scopes})


def live_bearer(request: EndpointRequest) -> Token:
    """The access token that the request carries. Raises OAuthError, 401 invalid_token, unless it is valid."""
    return live_access_token(request, bearer(request.authorization))


def live_access_token(request: EndpointRequest, value: str | None) -> Token:
    """That access token. Raises OAuthError, 401 invalid_token, unless it is valid."""
    provider = request.provider
    token = provider.tokens.find(ACCESS, value, provider.key)
    if token is None or token.state != "live":
        state = "unknown" if token is None else token.state
        challenge = 'Bearer realm="sandbox", error="invalid_token"'
        raise OAuthError("invalid_token", f"the access token is {state}", status=401, challenge=challenge)
    return token


def _answer(request: EndpointRequest, call: BearerCall, value: Callable[[Token], Any]) -> Response:
    """The value for the token, at the path of the call."""
    try:
        token = _used(request)
        check_query(request, call.query)
        check_headers(request, call.headers)
        if call.form:
            check_form(request, call.form)
    except OAuthError as error:
        request.refused(error)
        return responses.error(error)
    request.call.outcome = "served"
    return responses.document(responses.put({}, call.path, value(token)))


def _account_of(token: Token) -> str | int:
    return responses.account_value(token.family.grant.account)


def _used(request: EndpointRequest) -> Token:
    token = live_bearer(request)
    token.family.used_at = time.time()
    end_grace(token, request.provider.behaviour_for(token.family))
    return token


def _check_prepared(token: Token, preparation: str | None) -> None:
    if preparation and token.family.grant.member is None:
        raise OAuthError("access_denied", "what must be done before tokens can be used has not been", status=403)


def _scopes(request: EndpointRequest, token: Token) -> list[str]:
    """The scopes of the token that the user has not withdrawn since. Raises OAuthError, 403 (RFC 6750 3.1)."""
    scopes = [scope for scope in token.scopes if scope in token.family.scopes]
    if request.path in request.provider.dialect.offered and request.path not in scopes:
        challenge = f'Bearer realm="sandbox", error="insufficient_scope", scope="{request.path}"'
        raise OAuthError("insufficient_scope", "the user did not grant this", status=403, challenge=challenge)
    return scopes
