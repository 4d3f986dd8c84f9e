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
        grant, member = _unregistered(request), _member(request)
    except OAuthError as error:
        request.refused(error)
        return responses.error(error)
    grant.prepared = True
    request.call.outcome = "registered"
    return responses.document({"polar-user-id": responses.account_value(grant.account), "member-id": member})


ENDPOINTS: Final = {"after_exchange": AdapterEndpoint("POST", register)}


def _unregistered(request: EndpointRequest) -> Grant:
    grant = live_bearer(request).family.grant
    if grant.prepared:
        raise OAuthError("already_registered", "the user is registered already", status=409)
    return grant


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
