"""Storing what a provider gave: sealed, one row per user and provider, in one transaction with the request."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

import structlog
import uuid6

from models.authorization_request import AuthorizationRequest
from models.connection import Connection, ConnectionStatus, seal_row
from models.database import transaction
from models.statement import Statement, loaded
from models.vault import Vault
from resolvers import audit
from resolvers.attempts import Attempt
from resolvers.claims import finish
from resolvers.context import Context
from resolvers.exchanging import Received

log = structlog.get_logger("tendon")

# Connecting again keeps `id` and `created_at` and renews the rest, but not with tokens that are older than those there:
# two flows of one user may overlap, and a write may come late. Where nobody has written since the claim, nothing is
# asked of clocks, which may step back.
_UPSERT: Final = Statement(
    """
    INSERT INTO connection (id, user_id, provider, created_at, updated_at, status, account, requested_scopes,
        granted_scopes, access_token, refresh_token, expires_at, granted_at, version)
    VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1)
    ON CONFLICT (user_id, provider) DO UPDATE SET
        updated_at = excluded.updated_at, status = excluded.status, account = excluded.account,
        requested_scopes = excluded.requested_scopes, granted_scopes = excluded.granted_scopes,
        access_token = excluded.access_token, refresh_token = excluded.refresh_token,
        expires_at = excluded.expires_at, granted_at = excluded.granted_at, version = connection.version + 1
    WHERE connection.version = $13 OR connection.granted_at IS NULL OR connection.granted_at <= excluded.granted_at
    RETURNING *""",
)


async def renew(context: Context, attempt: Attempt, received: Received, scopes: list[str]) -> Connection:
    """Write connection, request and audit row. Raises DatabaseDown, and what `finish` raises."""
    request = received.claim.request
    values = _values(context.resources.vault, received, scopes)
    async with transaction():
        row = await _UPSERT.row(*values)
        if row is None:
            log.info("connection.newer", provider=request.provider)
            connection = await Connection.get(user_id=request.user_id, provider=request.provider)
        else:
            connection = loaded(Connection, row)
        await finish(attempt, connection.id)
        await audit.record(
            context,
            audit.COMPLETE,
            subject=request.user_id,
            provider=request.provider,
            outcome=audit.OK,
            scopes=scopes,
        )
    return connection


async def name_account(connection: Connection, account: str | None) -> None:
    """Add the provider's own id of the user, unless the connection was renewed meanwhile."""
    await Connection.filter(id=connection.id, version=connection.version).update(account=account)
    connection.account = account


def granted_scopes(received: Received, redirect: str | None, separator: str) -> list[str]:
    """What the user granted: as the token answer says (RFC 6749 5.1), else as the redirect says, else all we asked for.

    The redirect came through the user's browser, so it can narrow what was asked for and never widen it.
    """
    asked = received.claim.request.scopes
    if received.answer.scopes is not None:
        return list(received.answer.scopes)
    if redirect:
        named = set(re.split(rf"[\s{re.escape(separator)}]+", redirect))
        return [scope for scope in asked if scope in named]
    return asked


def _values(vault: Vault, received: Received, scopes: list[str]) -> tuple[Any, ...]:
    """In the order of the upsert's placeholders."""
    request, answer = received.claim.request, received.answer
    return (
        uuid6.uuid7(),
        request.user_id,
        request.provider,
        datetime.now(UTC),
        ConnectionStatus.CONNECTED,
        answer.account,
        json.dumps(request.scopes),
        json.dumps(scopes),
        _sealed(vault, request, "access_token", answer.access_token),
        _sealed(vault, request, "refresh_token", answer.refresh_token),
        answer.expires_at,
        received.granted_at,
        received.claim.version,
    )


def _sealed(vault: Vault, request: AuthorizationRequest, column: str, token: str | None) -> bytes | None:
    if token is None:
        return None
    return vault.seal(token, table="connection", row=seal_row(request.user_id, request.provider), column=column)
