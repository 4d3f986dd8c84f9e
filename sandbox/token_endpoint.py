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
from sandbox.exchange import Exchange
from sandbox.oauth import OAuthError
from sandbox.responses import account_value, put
from sandbox.token_store import ACCESS, REFRESH, Code, Family, Token, jwt, opaque_token

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")

Grant = Callable[[Exchange, Client], dict[str, Any] | None]


def token_endpoint(grants: Mapping[str, Grant]) -> Callable[[Exchange], Response]:
    """A token endpoint that supports these grant types."""

    def respond(exchange: Exchange) -> Response:
        dialect = exchange.provider.dialect
        try:
            token = _grant(exchange, grants)
        except OAuthError as error:
            exchange.call.outcome = error.error
            return responses.token_error(dialect, error)
        exchange.call.outcome = "extended" if token is None else "issued"
        return responses.token_success(dialect, token)

    return respond


def check_form(exchange: Exchange, params: Mapping[str, str]) -> None:
    """Raises OAuthError unless the body is a well-formed form with the parameters that the provider requires."""
    if not exchange.is_form:
        raise OAuthError("invalid_request", "the body is not a form")
    if exchange.form.malformed:
        raise OAuthError("invalid_request", exchange.form.malformed)
    if any(exchange.form.get(name) != value for name, value in params.items()):
        raise OAuthError("invalid_request", "a parameter that this provider requires is missing")


def _grant(exchange: Exchange, grants: Mapping[str, Grant]) -> dict[str, Any] | None:
    provider, form = exchange.provider, exchange.form
    check_form(exchange, provider.dialect.params)
    if exchange.query.values or exchange.query.malformed:
        raise OAuthError("invalid_request", "parameters must be in the body, not in the URL")
    client = authenticate(provider.client, provider.dialect.auth, exchange.authorization, form)
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise OAuthError("invalid_request", "grant_type is missing")
    if grant_type not in grants:
        raise OAuthError("unsupported_grant_type", "this endpoint does not support the grant type")
    return grants[grant_type](exchange, client)


def authorization_code(exchange: Exchange, client: Client) -> dict[str, Any]:
    """Exchange a code for tokens (RFC 6749 4.1.3). A second use fails and revokes them (RFC 6749 4.1.2)."""
    code = _code(exchange, client)
    if code.used:
        code.family.revoked = True
        _invalid_grant("the code was used before")
    if time.time() >= code.expires_at:
        _invalid_grant("the code has expired")
    if exchange.form.get("redirect_uri") != code.redirect_uri:
        _invalid_grant("the redirect_uri differs from that of the authorization request")
    if exchange.provider.dialect.pkce_checked:
        _check_verifier(code.code_challenge, exchange.form.get("code_verifier"))
    code.used = True
    return _issue(exchange, code.family, code.family.scopes, refresh=exchange.provider.dialect.refresh != "none")


def refresh_token(exchange: Exchange, client: Client) -> dict[str, Any] | None:
    """New tokens (RFC 6749 6), or None if the provider only extends the old ones."""
    provider = exchange.provider
    if provider.dialect.refresh == "none":
        raise OAuthError("unsupported_grant_type", "this provider issues no refresh tokens")
    token = _refreshable(exchange, client)
    scopes = _narrowed(exchange, token)
    if provider.dialect.refresh == "extending":
        provider.tokens.extend(token.family, _expires_at(exchange))
        return None
    token.rotated = provider.dialect.refresh == "rotating"
    return _issue(exchange, token.family, scopes, refresh=token.rotated)


def _code(exchange: Exchange, client: Client) -> Code:
    value = exchange.form.get("code")
    if value is None:
        raise OAuthError("invalid_request", "code is missing")
    code = exchange.provider.tokens.codes.get(value)
    family = code.family if code else None
    if code is None or family is None or (family.slug, family.client_id) != (exchange.provider.slug, client.client_id):
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


def _refreshable(exchange: Exchange, client: Client) -> Token:
    value = exchange.form.get("refresh_token")
    if value is None:
        raise OAuthError("invalid_request", "refresh_token is missing")
    token = exchange.provider.tokens.find(REFRESH, value, exchange.provider.slug)
    if token is None or token.family.client_id != client.client_id:
        _invalid_grant("the refresh token is unknown")
    if token.rotated:
        token.family.revoked = True
        _invalid_grant("the refresh token was used before")
    if token.state != "live":
        _invalid_grant("the refresh token is revoked")
    return token


def _narrowed(exchange: Exchange, token: Token) -> tuple[str, ...]:
    requested = exchange.provider.dialect.scopes(exchange.form.get("scope"))
    if not set(requested) <= set(token.family.scopes):
        raise OAuthError("invalid_scope", "a scope was not granted")
    return tuple(requested) or token.family.scopes


def _issue(exchange: Exchange, family: Family, scopes: tuple[str, ...], *, refresh: bool) -> dict[str, Any]:
    """Issue an access token and, with `refresh`, a refresh token. Returns the provider's token object."""
    provider, expires_at = exchange.provider, _expires_at(exchange)
    jwt_expires_at = expires_at if provider.dialect.expires == "jwt" else None
    access = opaque_token(ACCESS) if jwt_expires_at is None else jwt(family.account, jwt_expires_at)
    provider.tokens.issue_token(ACCESS, family, scopes, expires_at, access)
    token = {"access_token": access, "token_type": "Bearer", **_lifetime(exchange, expires_at)}
    if refresh:
        token["refresh_token"] = opaque_token(REFRESH)
        provider.tokens.issue_token(REFRESH, family, family.scopes, None, token["refresh_token"])
    if family.scope_requested and provider.settings.scope_in_answer:
        token["scope"] = provider.dialect.scope_separator.join(scopes)
    if provider.dialect.account:
        put(token, provider.dialect.account, account_value(family.account))
    return token


def _expires_at(exchange: Exchange) -> float | None:
    if exchange.provider.dialect.expires == "never":
        return None
    return time.time() + exchange.provider.settings.access_life


def _lifetime(exchange: Exchange, expires_at: float | None) -> dict[str, Any]:
    """The members with the access token's lifetime; a JWT contains it itself."""
    expires = exchange.provider.dialect.expires
    if expires_at is None or expires == "jwt":
        return {}
    life = {"expires_in": int(exchange.provider.settings.access_life)}
    return {**life, "expires_at": int(expires_at)} if expires == "expires_at" else life


def _invalid_grant(description: str) -> NoReturn:
    raise OAuthError("invalid_grant", description)
