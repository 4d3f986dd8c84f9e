"""Issues tokens, and puts them into the token object of the provider's dialect (RFC 6749 5.1)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sandbox.endpoint_request import EndpointRequest
from sandbox.responses import account_value, put
from sandbox.settings import Settings
from sandbox.token_store import ACCESS, REFRESH, Family, Token, jwt, opaque_token, token_id


@dataclass(frozen=True, slots=True)
class Issue:
    """Tokens for `request` in `family`. `parent` is the refresh token that was sent; None for a code."""

    request: EndpointRequest
    family: Family
    settings: Settings
    parent: Token | None = None


def answer(issue: Issue, scopes: tuple[str, ...], *, refresh: bool) -> dict[str, Any]:
    """The provider's token object, with an access token and, if `refresh`, with a new refresh token."""
    access = _access_token(issue, scopes)
    token = {"access_token": access.value, "token_type": "Bearer", **_lifetime(issue, access)}
    if refresh:
        token["refresh_token"] = _refresh_token(issue).value
    elif issue.parent is not None and issue.settings.refresh_in_answer:
        token["refresh_token"] = issue.parent.value
    if issue.family.scope_requested and issue.settings.scope_in_answer:
        dialect = issue.request.provider.dialect
        token["scope"] = dialect.scope_separator.join(dialect.scope_prefix + scope for scope in scopes)
    if issue.request.provider.dialect.account:
        put(token, issue.request.provider.dialect.account, account_value(issue.family.grant.account))
    if claim := issue.request.provider.dialect.account_claim:
        token["id_token"] = _id_token(issue, claim)
    issue.request.call.issued = [token_id(token[name]) for name in (ACCESS, REFRESH) if name in token]
    return token


def _id_token(issue: Issue, claim: str) -> str:
    """An ID token (OpenID Connect Core 2) that has the account in this claim."""
    dialect, grant = issue.request.provider.dialect, issue.family.grant
    issuer = dialect.iss or f"https://{dialect.slug}.example"
    claims = put({"iss": issuer, "sub": grant.account, "aud": grant.client_id}, claim, grant.account)
    return jwt(claims, time.time() + issue.settings.access_life)


def access_expires_at(issue: Issue) -> float | None:
    if issue.request.provider.dialect.expires == "never":
        return None
    return time.time() + issue.settings.access_life


def refresh_expires_at(settings: Settings) -> float | None:
    return None if settings.refresh_idle is None else time.time() + settings.refresh_idle


def _access_token(issue: Issue, scopes: tuple[str, ...]) -> Token:
    """A new access token; the present one if the provider keeps those that are valid for long enough."""
    if issue.settings.access_kept_above is not None and (kept := _lasting(issue.family, issue.settings)):
        return kept
    if issue.settings.old_access == "ended":
        for token in list(issue.family.live(ACCESS)):
            token.ended = True
    expires_at = access_expires_at(issue)
    jwt_expires_at = expires_at if issue.request.provider.dialect.expires == "jwt" else None
    value = opaque_token(ACCESS) if jwt_expires_at is None else jwt({"sub": issue.family.grant.account}, jwt_expires_at)
    return issue.request.provider.tokens.add(Token(value, ACCESS, issue.family, scopes, expires_at, issue.parent))


def _lasting(family: Family, settings: Settings) -> Token | None:
    """The family's newest access token, if it is valid for long enough to be kept."""
    newest = next(reversed(list(family.live(ACCESS))), None)
    if newest is None or newest.expires_at is None:
        return newest
    return newest if newest.expires_at - time.time() > (settings.access_kept_above or 0) else None


def _refresh_token(issue: Issue) -> Token:
    expires_at = refresh_expires_at(issue.settings)
    token = Token(opaque_token(REFRESH), REFRESH, issue.family, issue.family.scopes, expires_at, issue.parent)
    return issue.request.provider.tokens.add(token)


def _lifetime(issue: Issue, access: Token) -> dict[str, Any]:
    """The members that state the access token's lifetime; none for a JWT, which contains it."""
    expires = issue.request.provider.dialect.expires
    if access.expires_at is None or expires == "jwt":
        return {}
    # Half a second less, as a lifetime must not be longer than the token's.
    part = 0.5 if issue.settings.expires_fraction else 0
    life = {"expires_in": round(access.expires_at - time.time()) - part}
    return {**life, "expires_at": int(access.expires_at) - part} if expires == "expires_at" else life
