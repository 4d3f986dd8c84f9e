"""The token endpoint (RFC 6749 3.2): checks form and client, and exchanges codes. `refreshing` is its other half."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from sandbox import responses
from sandbox.assertions import authenticated
from sandbox.checks import check_form, check_headers, check_query
from sandbox.client import Client
from sandbox.endpoint_request import EndpointRequest
from sandbox.issuing import Issue, answer
from sandbox.oauth import OAuthError, invalid_grant
from sandbox.token_store import CODE_REUSE, REPLACED, Code, Family

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")

GrantType = Callable[[EndpointRequest, Client], dict[str, Any] | None]


_UNAUTHORIZED = 401


def token_endpoint(
    grant_types: Mapping[str, GrantType], query: Mapping[str, str]
) -> Callable[[EndpointRequest], Response]:
    """A token endpoint that supports these grant types. Its URL has the parameters `query`, and no others."""

    def respond(request: EndpointRequest) -> Response:
        dialect = request.provider.dialect
        try:
            token = _token(request, grant_types, query)
        except OAuthError as error:
            request.refused(error)
            return responses.token_error(dialect, error)
        request.call.outcome = "extended" if token is None else "issued"
        return responses.token_success(dialect, token)

    return respond


def _token(
    request: EndpointRequest, grant_types: Mapping[str, GrantType], query: Mapping[str, str]
) -> dict[str, Any] | None:
    provider, form = request.provider, request.form
    check_form(request, provider.dialect.params)
    check_query(request, query)
    check_headers(request, provider.dialect.token_headers, status=_UNAUTHORIZED)
    client = authenticated(request, provider.dialect.auth)
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise OAuthError("invalid_request", "grant_type is missing")
    if grant_type not in grant_types:
        raise OAuthError("unsupported_grant_type", "this endpoint does not support the grant type")
    return grant_types[grant_type](request, client)


def authorization_code(request: EndpointRequest, client: Client) -> dict[str, Any]:
    """Exchange a code for tokens (RFC 6749 4.1.3). A second use fails and revokes them (RFC 6749 4.1.2)."""
    code = _code(request, client)
    family = code.family
    if code.used:
        request.call.reuse = True
        request.end(family, CODE_REUSE)
        invalid_grant("the code was used before")
    if family.ended is not None:
        invalid_grant("the consent was withdrawn")
    if time.time() >= code.expires_at:
        invalid_grant("the code has expired")
    if request.form.get("redirect_uri") != code.redirect_uri:
        invalid_grant("the redirect_uri differs from that of the authorization request")
    if request.provider.dialect.pkce_checked:
        _check_verifier(code.code_challenge, request.form.get("code_verifier"))
    code.used = True
    settings = request.provider.behaviour_for(family)
    _end_oldest(request, family, settings.families_per_grant)
    return answer(Issue(request, family, settings), family.scopes, refresh=settings.refresh != "none")


def _code(request: EndpointRequest, client: Client) -> Code:
    value = request.form.get("code")
    if value is None:
        raise OAuthError("invalid_request", "code is missing")
    code = request.provider.tokens.codes.get(value)
    grant = code.family.grant if code else None
    if code is None or grant is None or (grant.provider, grant.client_id) != (request.provider.key, client.client_id):
        invalid_grant("the code is unknown")
    return code


def _end_oldest(request: EndpointRequest, family: Family, most: int | None) -> None:
    """End the oldest families of the grant that have tokens, so that there is room for this one."""
    if most is None:
        return
    older = [one for one in family.grant.living if one is not family and one.tokens]
    for one in older[: len(older) + 1 - most]:
        request.end(one, REPLACED)


def _check_verifier(code_challenge: str | None, code_verifier: str | None) -> None:
    """RFC 7636 4.6. A verifier without a challenge is rejected, too, against downgrades (RFC 9700 2.1.1)."""
    if code_challenge is None and code_verifier is None:
        return
    if code_challenge is None or code_verifier is None or not _VERIFIER.fullmatch(code_verifier):
        invalid_grant("the code_verifier is missing, malformed or not expected")
    digest = hashlib.sha256(code_verifier.encode()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code_challenge:
        invalid_grant("the code_verifier does not match")
