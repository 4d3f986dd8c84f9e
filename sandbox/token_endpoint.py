"""The token endpoint (RFC 6749 3.2): checks form and client, and issues tokens for a code or a refresh token."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from starlette.responses import Response

from sandbox import responses
from sandbox.client import Client, authenticate
from sandbox.endpoint_request import EndpointRequest
from sandbox.oauth import OAuthError
from sandbox.responses import account_value, put
from sandbox.token_store import ACCESS, REFRESH, Code, Family, Token, jwt, opaque_token

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")

Grant = Callable[[EndpointRequest, Client], dict[str, Any] | None]


def token_endpoint(grants: Mapping[str, Grant]) -> Callable[[EndpointRequest], Response]:
    """A token endpoint that supports these grant types."""

    def respond(request: EndpointRequest) -> Response:
        dialect = request.provider.dialect
        try:
            token = _grant(request, grants)
        except OAuthError as error:
            request.call.outcome = error.error
            return responses.token_error(dialect, error)
        request.call.outcome = "extended" if token is None else "issued"
        return responses.token_success(dialect, token)

    return respond


def check_form(request: EndpointRequest, params: Mapping[str, str]) -> None:
    """Raises OAuthError unless the body is a well-formed form with the parameters that the provider requires."""
    if not request.is_form:
        raise OAuthError("invalid_request", "the body is not a form")
    if request.form.malformed:
        raise OAuthError("invalid_request", request.form.malformed)
    if any(request.form.get(name) != value for name, value in params.items()):
        raise OAuthError("invalid_request", "a parameter that this provider requires is missing")


def _grant(request: EndpointRequest, grants: Mapping[str, Grant]) -> dict[str, Any] | None:
    provider, form = request.provider, request.form
    check_form(request, provider.dialect.params)
    if request.query.values or request.query.malformed:
        raise OAuthError("invalid_request", "parameters must be in the body, not in the URL")
    client = authenticate(provider.client, provider.dialect.auth, request.authorization, form)
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise OAuthError("invalid_request", "grant_type is missing")
    if grant_type not in grants:
        raise OAuthError("unsupported_grant_type", "this endpoint does not support the grant type")
    return grants[grant_type](request, client)


def authorization_code(request: EndpointRequest, client: Client) -> dict[str, Any]:
    """Exchange a code for tokens (RFC 6749 4.1.3). A second use fails and revokes them (RFC 6749 4.1.2)."""
    code = _code(request, client)
    if code.used:
        code.family.revoked = True
        _invalid_grant("the code was used before")
    if time.time() >= code.expires_at:
        _invalid_grant("the code has expired")
    if request.form.get("redirect_uri") != code.redirect_uri:
        _invalid_grant("the redirect_uri differs from that of the authorization request")
    if request.provider.dialect.pkce_checked:
        _check_verifier(code.code_challenge, request.form.get("code_verifier"))
    code.used = True
    return _issue(request, code.family, code.family.scopes, refresh=request.provider.dialect.refresh != "none")


def refresh_token(request: EndpointRequest, client: Client) -> dict[str, Any] | None:
    """New tokens (RFC 6749 6), or None if the provider extends the lifetime of the old ones instead."""
    provider = request.provider
    if provider.dialect.refresh == "none":
        raise OAuthError("unsupported_grant_type", "this provider issues no refresh tokens")
    token = _refreshable(request, client)
    scopes = _refreshed_scopes(request, token)
    if provider.dialect.refresh == "extending":
        provider.tokens.extend(token.family, _expires_at(request))
        return None
    token.rotated = provider.dialect.refresh == "rotating"
    return _issue(request, token.family, scopes, refresh=token.rotated)


def _code(request: EndpointRequest, client: Client) -> Code:
    value = request.form.get("code")
    if value is None:
        raise OAuthError("invalid_request", "code is missing")
    code = request.provider.tokens.codes.get(value)
    family = code.family if code else None
    if code is None or family is None or (family.slug, family.client_id) != (request.provider.slug, client.client_id):
        _invalid_grant("the code is unknown")
    return code


def _check_verifier(code_challenge: str | None, code_verifier: str | None) -> None:
    """RFC 7636 4.6. A verifier without a challenge is rejected, too, against downgrades (RFC 9700 2.1.1)."""
    if code_challenge is None and code_verifier is None:
        return
    if code_challenge is None or code_verifier is None or not _VERIFIER.fullmatch(code_verifier):
        _invalid_grant("the code_verifier is missing, malformed or not expected")
    digest = hashlib.sha256(code_verifier.encode()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code_challenge:
        _invalid_grant("the code_verifier does not match")


def _refreshable(request: EndpointRequest, client: Client) -> Token:
    value = request.form.get("refresh_token")
    if value is None:
        raise OAuthError("invalid_request", "refresh_token is missing")
    token = request.provider.tokens.find(REFRESH, value, request.provider.slug)
    if token is None or token.family.client_id != client.client_id:
        _invalid_grant("the refresh token is unknown")
    if token.rotated:
        token.family.revoked = True
        _invalid_grant("the refresh token was used before")
    if token.state != "live":
        _invalid_grant("the refresh token is revoked")
    return token


def _refreshed_scopes(request: EndpointRequest, token: Token) -> tuple[str, ...]:
    requested = request.provider.dialect.scopes(request.form.get("scope"))
    if not set(requested) <= set(token.family.scopes):
        raise OAuthError("invalid_scope", "a scope was not granted")
    return tuple(requested) or token.family.scopes


def _issue(request: EndpointRequest, family: Family, scopes: tuple[str, ...], *, refresh: bool) -> dict[str, Any]:
    """Issue an access token and, with `refresh`, a refresh token. Returns the provider's token object."""
    provider, expires_at = request.provider, _expires_at(request)
    jwt_expires_at = expires_at if provider.dialect.expires == "jwt" else None
    access = opaque_token(ACCESS) if jwt_expires_at is None else jwt(family.account, jwt_expires_at)
    provider.tokens.issue_token(ACCESS, family, scopes, expires_at, access)
    token = {"access_token": access, "token_type": "Bearer", **_lifetime(request, expires_at)}
    if refresh:
        token["refresh_token"] = opaque_token(REFRESH)
        provider.tokens.issue_token(REFRESH, family, family.scopes, None, token["refresh_token"])
    if family.scope_requested and provider.settings.scope_in_answer:
        token["scope"] = provider.dialect.scope_separator.join(scopes)
    if provider.dialect.account:
        put(token, provider.dialect.account, account_value(family.account))
    return token


def _expires_at(request: EndpointRequest) -> float | None:
    if request.provider.dialect.expires == "never":
        return None
    return time.time() + request.provider.settings.access_life


def _lifetime(request: EndpointRequest, expires_at: float | None) -> dict[str, Any]:
    """The members that state the access token's lifetime; none for a JWT, which contains it."""
    expires = request.provider.dialect.expires
    if expires_at is None or expires == "jwt":
        return {}
    life = {"expires_in": int(request.provider.settings.access_life)}
    return {**life, "expires_at": int(expires_at)} if expires == "expires_at" else life


def _invalid_grant(description: str) -> NoReturn:
    raise OAuthError("invalid_grant", description)
