"""The two grants: a code turns into tokens (RFC 6749 4.1.3), a refresh token into younger ones (RFC 6749 6)."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from typing import Any, NoReturn

from sandbox.access_token import jwt, opaque
from sandbox.client import Client
from sandbox.exchange import Exchange
from sandbox.ledger import ACCESS, REFRESH, Code, Family, Token
from sandbox.refusal import Refusal
from sandbox.reply import account_value, put

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


def authorization_code(exchange: Exchange, client: Client) -> dict[str, Any]:
    """Spend a code. Sent again it gives nothing, and what it gave is revoked (RFC 6749 4.1.2)."""
    code = _code(exchange, client)
    if code.spent:
        code.family.revoked = True
        _invalid_grant("the code was used before")
    if time.time() >= code.expires_at:
        _invalid_grant("the code has expired")
    if exchange.form.get("redirect_uri") != code.redirect_uri:
        _invalid_grant("the redirect_uri is not the one of the authorization request")
    if exchange.provider.dialect.pkce_checked:
        _check_verifier(code.code_challenge, exchange.form.get("code_verifier"))
    code.spent = True
    return _issue(exchange, code.family, code.family.scopes, refresh=exchange.provider.dialect.refresh != "none")


def refresh_token(exchange: Exchange, client: Client) -> dict[str, Any] | None:
    """Younger tokens, or None where the dialect only lets the old ones live on."""
    provider = exchange.provider
    if provider.dialect.refresh == "none":
        raise Refusal("unsupported_grant_type", "this provider gives no refresh tokens")
    token = _refreshable(exchange, client)
    scopes = _narrowed(exchange, token)
    if provider.dialect.refresh == "extending":
        provider.ledger.extend(token.family, _expires_at(exchange))
        return None
    token.rotated = provider.dialect.refresh == "rotating"
    return _issue(exchange, token.family, scopes, refresh=token.rotated)


def _code(exchange: Exchange, client: Client) -> Code:
    value = exchange.form.get("code")
    if value is None:
        raise Refusal("invalid_request", "code is missing")
    code = exchange.provider.ledger.codes.get(value)
    family = code.family if code else None
    if code is None or family is None or (family.slug, family.client_id) != (exchange.provider.slug, client.client_id):
        _invalid_grant("the code is unknown")
    return code


def _check_verifier(code_challenge: str | None, code_verifier: str | None) -> None:
    """RFC 7636 4.6. A verifier without a challenge is refused as well, against downgrades (RFC 9700 2.1.1)."""
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
        raise Refusal("invalid_request", "refresh_token is missing")
    token = exchange.provider.ledger.find(REFRESH, value, exchange.provider.slug)
    if token is None or token.family.client_id != client.client_id:
        _invalid_grant("the refresh token is unknown")
    if token.rotated:
        token.family.revoked = True
        _invalid_grant("the refresh token was used before")
    if token.state != "live":
        _invalid_grant("the refresh token is revoked")
    return token


def _narrowed(exchange: Exchange, token: Token) -> tuple[str, ...]:
    asked = exchange.provider.dialect.scopes(exchange.form.get("scope"))
    if not set(asked) <= set(token.family.scopes):
        raise Refusal("invalid_scope", "a scope was not granted")
    return tuple(asked) or token.family.scopes


def _issue(exchange: Exchange, family: Family, scopes: tuple[str, ...], *, refresh: bool) -> dict[str, Any]:
    """A new access token, with a new refresh token where one is due, as the dialect's token object."""
    provider, expires_at = exchange.provider, _expires_at(exchange)
    life_in_token = expires_at if provider.dialect.expires == "jwt" else None
    access = opaque(ACCESS) if life_in_token is None else jwt(family.account, life_in_token)
    provider.ledger.give_token(ACCESS, family, scopes, expires_at, access)
    token = {"access_token": access, "token_type": "Bearer", **_life(exchange, expires_at)}
    if refresh:
        token["refresh_token"] = opaque(REFRESH)
        provider.ledger.give_token(REFRESH, family, family.scopes, None, token["refresh_token"])
    if family.scope_asked and provider.settings.scope_in_answer:
        token["scope"] = provider.dialect.scope_separator.join(scopes)
    if provider.dialect.account:
        put(token, provider.dialect.account, account_value(family.account))
    return token


def _expires_at(exchange: Exchange) -> float | None:
    if exchange.provider.dialect.expires == "never":
        return None
    return time.time() + exchange.provider.settings.access_life


def _life(exchange: Exchange, expires_at: float | None) -> dict[str, Any]:
    """The members that tell the access token's life; a JWT tells it itself."""
    expires = exchange.provider.dialect.expires
    if expires_at is None or expires == "jwt":
        return {}
    life = {"expires_in": int(exchange.provider.settings.access_life)}
    return {**life, "expires_at": int(expires_at)} if expires == "expires_at" else life


def _invalid_grant(description: str) -> NoReturn:
    raise Refusal("invalid_grant", description)
