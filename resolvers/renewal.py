"""Storing what a provider gave: sealed, one row per user and provider, all or nothing with the request."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

import structlog
import uuid6

from models.connection import SHOWN, ConnectionStatus, StoredConnection, seal_row
from models.statement import Statement
from models.vault import Vault
from resolvers import audit
from resolvers.attempts import Attempt, Claimed
from resolvers.claims import ENDED, HELD
from resolvers.connections import connection_by_id
from resolvers.context import Context
from resolvers.errors import ProviderUnavailable
from resolvers.exchanging import Received
from resolvers.states import REMEMBERED

log = structlog.get_logger("tendon")

# Connecting again keeps `id` and `created_at` and renews the rest, but not with tokens that are older than those there:
# two flows of one user may overlap, and a write may come late. Where nobody has written since the claim, nothing is
# asked of clocks, which may step back; and what clocks can't tell apart is not older.
_RENEW: Final = Statement(
    """
    INSERT INTO connection (id, user_id, provider, created_at, updated_at, status, account, requested_scopes,
        granted_scopes, access_token, refresh_token, expires_at, granted_at, version)
    SELECT :id, user_id, provider, now(), now(), :status, :account, scopes,
        :audited, :access_token, :refresh_token, :expires_at, :granted_at, 1
    FROM authorization_request WHERE {held} FOR UPDATE
    ON CONFLICT (user_id, provider) DO UPDATE SET
        updated_at = excluded.updated_at, status = excluded.status, account = excluded.account,
        requested_scopes = excluded.requested_scopes, granted_scopes = excluded.granted_scopes,
        access_token = excluded.access_token, refresh_token = excluded.refresh_token,
        expires_at = excluded.expires_at, granted_at = excluded.granted_at, version = connection.version + 1
    WHERE connection.version = :version OR connection.granted_at IS NULL
        OR connection.granted_at <= :granted_by
    RETURNING {shown}""",
    """
    UPDATE authorization_request SET status = 'completed', connection_id = done.id, {ended}
    FROM done WHERE state_hash = :key""",
    audit.RECORDED,
    held=HELD,
    ended=ENDED,
    shown=SHOWN,
)
# With the connection as somebody else has renewed it meanwhile.
_ADOPT: Final = Statement(
    """
    UPDATE authorization_request SET status = 'completed', connection_id = (SELECT id FROM connection AS c
        WHERE c.user_id = authorization_request.user_id AND c.provider = authorization_request.provider), {ended}
    WHERE {held} RETURNING connection_id""",
    audit.RECORDED,
    held=HELD,
    ended=ENDED,
)
_NAME: Final = Statement("UPDATE connection SET account = :account WHERE id = :id AND version = :version")


async def renew(context: Context, attempt: Attempt, received: Received, scopes: list[str]) -> StoredConnection:
    """Write connection, request and audit row.

    Raises DatabaseDown, and ProviderUnavailable when the lease was lost meanwhile: others were told already to start
    again.
    """
    request = received.claim.request
    event = audit.event(
        context,
        audit.COMPLETE,
        subject=request.user_id,
        provider=request.provider,
        outcome=audit.OK,
        scopes=scopes,
    )
    held = {"key": attempt.key, "owner": attempt.owner, "remembered": REMEMBERED.total_seconds(), **event}
    row = await _RENEW.row(**held, **_tokens(context.resources.vault, received))
    return StoredConnection.of(row) if row else await _adopt(held)


async def _adopt(held: dict[str, Any]) -> StoredConnection:
    """The newer tokens stay, or the lease is lost."""
    row = await _ADOPT.row(**held)
    connection = await connection_by_id(row[0]) if row else None
    if not connection:
        raise ProviderUnavailable
    log.info("connection.newer", provider=connection.provider)
    return connection


async def name_account(connection: StoredConnection, account: str | None) -> None:
    """Add the provider's own id of the user, unless the connection was renewed meanwhile."""
    await _NAME.rows(account=account, id=connection.id, version=connection.version)
    connection.account = account


def granted_scopes(received: Received, redirect: str | None, separator: str) -> list[str]:
    """What the user granted: as the token answer says (RFC 6749 5.1), else as the redirect says, else all we asked for.

    The redirect came through the user's browser, so it can narrow what was asked for and never widen it.
    """
    asked = received.claim.request.scopes
    if received.answer.scopes is not None:
        return list(received.answer.scopes)
    named = set(re.split(rf"[\s{re.escape(separator)}]+", redirect or "")) - {""}
    if named:
        return [scope for scope in asked if scope in named]
    return asked


def _tokens(vault: Vault, received: Received) -> dict[str, Any]:
    """What the connection is made of, beside the request."""
    request, answer = received.claim.request, received.answer
    return {
        "id": str(uuid6.uuid7()),
        "status": ConnectionStatus.CONNECTED,
        "account": answer.account,
        "access_token": _sealed(vault, request, "access_token", answer.access_token),
        "refresh_token": _sealed(vault, request, "refresh_token", answer.refresh_token),
        "expires_at": answer.expires_at,
        "granted_at": received.granted_at,
        "granted_by": received.granted_at + timedelta(seconds=received.claim.error),
        "version": received.claim.version,
    }


def _sealed(vault: Vault, request: Claimed, column: str, token: str | None) -> bytes | None:
    if token is None:
        return None
    return vault.seal(token, table="connection", row=seal_row(request.user_id, request.provider), column=column)
