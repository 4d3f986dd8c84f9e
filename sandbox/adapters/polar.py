"""Polar: a user must be registered before the app can read their data. Revoking the access removes the registration."""

from __future__ import annotations

import json
from typing import Final

from starlette.responses import Response

from sandbox import responses
from sandbox.adapters import AdapterEndpoint
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError
from sandbox.resources import live_bearer
from sandbox.token_store import Grant


def register(request: EndpointRequest) -> Response:
    """Register the user of the access token under the app's own name for them."""
    try:
        grant, member = live_bearer(request).family.grant, _member(request)
        _check_free(request, grant, member)
    except OAuthError as error:
        request.refused(error)
        return responses.error(error)
    grant.member = member
    request.call.outcome = "registered"
    return responses.document({"polar-user-id": responses.account_value(grant.account), "member-id": member})


ENDPOINTS: Final = {"after_exchange": AdapterEndpoint("POST", register)}


def _member(request: EndpointRequest) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise OAuthError("invalid_request", "the body is not JSON", status=415)
    try:
        member = json.loads(request.body)["member-id"]
    except (ValueError, TypeError, KeyError):
        member = None
    if not isinstance(member, str) or not member:
        raise OAuthError("invalid_request", "member-id is missing or not text")
    return member


def _check_free(request: EndpointRequest, grant: Grant, member: str) -> None:
    """Raises OAuthError, 409, if the user is registered, or another one has that name."""
    provider = request.provider
    others = (one.member for one in provider.tokens.grants if one.provider == provider.key and one.is_living)
    if grant.member is not None or member in others:
        raise OAuthError("already_registered", "the user is registered, or the member-id is taken", status=409)
