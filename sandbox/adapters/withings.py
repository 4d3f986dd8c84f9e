"""Withings: a revocation is signed, over a nonce that is requested first. Both answer with HTTP 200 and a `status`."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Final

from starlette.responses import Response

from sandbox import responses
from sandbox.adapters import AdapterEndpoint
from sandbox.checks import check_form
from sandbox.client import Client
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError
from sandbox.revocation import end, gone
from sandbox.token_store import Family

_NONCE_LIFE: Final = 30 * 60


def signature(request: EndpointRequest) -> Response:
    """A nonce, for a request that is signed over the time."""
    try:
        _check(request, "getnonce", "timestamp")
    except OAuthError as error:
        return _refused(request, error)
    nonce = secrets.token_hex(16)
    request.provider.nonces[nonce] = time.time() + _NONCE_LIFE
    request.call.outcome = "nonce"
    return _success({"nonce": nonce})


def revoke(request: EndpointRequest) -> Response:
    """End the access to the account `userid`, for a request that is signed over a nonce."""
    try:
        client = _check(request, "revoke", "nonce")
        account = _account(request)
    except OAuthError as error:
        return _refused(request, error)
    families = _families(request, client, account)
    if not families:
        return gone(request, _success({}))
    request.call.account, request.call.grant = families[0].grant.account, families[0].grant.number
    end(request, families[0])
    return _success({})


ENDPOINTS: Final = {"signature": AdapterEndpoint("POST", signature), "revoke": AdapterEndpoint("POST", revoke)}


def _check(request: EndpointRequest, action: str, signed: str) -> Client:
    """The client. Raises OAuthError unless the form has its signature of the action, its id and the parameter
    `signed`."""
    client, form = request.provider.client, request.form
    check_form(request, {"action": action})
    if client is None or form.get("client_id") != client.client_id or form.get("client_secret"):
        raise OAuthError("invalid_client", "the client is unknown, or sent its secret")
    if form.get(signed) is None:
        raise OAuthError("invalid_request", f"{signed} is missing")
    text = ",".join((action, client.client_id, form.values[signed]))
    expected = hmac.new(client.client_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), (form.get("signature") or "").encode()):
        raise OAuthError("invalid_client", "the signature is wrong")
    return client


def _account(request: EndpointRequest) -> str:
    """Raises OAuthError unless there is one, and the nonce can be used."""
    account = request.form.get("userid")
    if request.provider.nonces.pop(request.form.values["nonce"], 0) < time.time():
        raise OAuthError("invalid_request", "the nonce is unknown, used or expired")
    if account is None:
        raise OAuthError("invalid_request", "userid is missing")
    return account


def _families(request: EndpointRequest, client: Client, account: str) -> list[Family]:
    provider = request.provider
    wanted = (provider.key, client.client_id, account)
    grants = [grant for grant in provider.tokens.grants if (grant.provider, grant.client_id, grant.account) == wanted]
    return [family for grant in grants for family in grant.living]


def _refused(request: EndpointRequest, error: OAuthError) -> Response:
    request.refused(error)
    return responses.token_error(request.provider.dialect, error, endpoint="revoke")


def _success(body: dict[str, str]) -> Response:
    return responses.document({"status": 0, "body": body})
