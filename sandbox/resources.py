"""What an access token opens (RFC 6750): the account endpoint, and the provider's API under `/api/`."""

from __future__ import annotations

import time

from starlette.responses import Response

from sandbox import responses
from sandbox.client import bearer
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError
from sandbox.refreshing import end_grace
from sandbox.token_store import ACCESS, Token


def account(request: EndpointRequest) -> Response:
    """The account that a valid access token in the Authorization header belongs to (RFC 6750 2.1)."""
    try:
        token = _used(request)
    except OAuthError as error:
        request.refused(error)
        return responses.error(error)
    request.call.outcome = "served"
    field, value = request.provider.dialect.account_field, responses.account_value(token.family.grant.account)
    return responses.document(responses.put({}, field, value))


def api(request: EndpointRequest) -> Response:
    """Any resource of the API, for a valid access token. One that has the name of a scope requires that scope."""
    try:
        token = _used(request)
        scopes = _scopes(request, token)
    except OAuthError as error:
        request.refused(error)
        return responses.error(error)
    request.call.outcome = "served"
    account = responses.account_value(token.family.grant.account)
    return responses.document({"resource": request.path, "account": account, "scopes": scopes})


def live_bearer(request: EndpointRequest) -> Token:
    """The access token that the request carries. Raises OAuthError, 401 invalid_token, unless it is valid."""
    provider = request.provider
    token = provider.tokens.find(ACCESS, bearer(request.authorization), provider.slug)
    if token is None or token.state != "live":
        state = "unknown" if token is None else token.state
        challenge = 'Bearer realm="sandbox", error="invalid_token"'
        raise OAuthError("invalid_token", f"the access token is {state}", status=401, challenge=challenge)
    return token


def _used(request: EndpointRequest) -> Token:
    token = live_bearer(request)
    token.family.used_at = time.time()
    end_grace(token, request.provider.behaviour_for(token.family))
    return token


def _scopes(request: EndpointRequest, token: Token) -> list[str]:
    """The scopes of the token that the user has not withdrawn since. Raises OAuthError, 403 (RFC 6750 3.1)."""
    scopes = [scope for scope in token.scopes if scope in token.family.scopes]
    if request.path in request.provider.dialect.offered and request.path not in scopes:
        challenge = f'Bearer realm="sandbox", error="insufficient_scope", scope="{request.path}"'
        raise OAuthError("insufficient_scope", "the user did not grant this", status=403, challenge=challenge)
    return scopes
