"""What the control API shows of tokens and grants."""

from __future__ import annotations

from typing import Any

from sandbox.token_store import ACCESS, REFRESH, Family, Grant, Token, token_id


def token(one: Token) -> dict[str, Any]:
    """`parent` is the id of the refresh token that it was issued for."""
    grant = one.family.grant
    return {
        "value": one.value,
        "id": token_id(one.value),
        "parent": token_id(one.parent.value) if one.parent else None,
        "kind": one.kind,
        "state": one.state,
        "slug": grant.slug,
        "site": grant.site,
        "client_id": grant.client_id,
        "account": grant.account,
        "grant": grant.number,
        "family": one.family.number,
        "scope": list(one.scopes),
        "issued_at": one.issued_at,
        "used_at": one.used_at,
        "expires_at": one.expires_at,
    }


def grant(one: Grant) -> dict[str, Any]:
    return {
        "grant": one.number,
        "slug": one.slug,
        "site": one.site,
        "client_id": one.client_id,
        "account": one.account,
        "created_at": one.created_at,
        "living": one.is_living,
        "families": [_family(family) for family in one.families],
    }


def _family(one: Family) -> dict[str, Any]:
    """`ended` is the reason, null while it lives; `refresh_tokens` and `access_tokens` are the ids of those that are
    valid, oldest first."""
    return {
        "family": one.number,
        "scope": list(one.scopes),
        "settings": dict(one.settings),
        "created_at": one.created_at,
        "used_at": one.used_at,
        "ended": one.ended,
        "ended_at": one.ended_at,
        "refreshes": one.refreshes,
        "reuses": one.reuses,
        "refresh_tokens": [token_id(token.value) for token in one.live(REFRESH)],
        "access_tokens": [token_id(token.value) for token in one.live(ACCESS)],
    }
