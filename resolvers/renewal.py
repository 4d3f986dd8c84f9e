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
from resolvers.attempts import Attempt
from resolvers.claims import ENDED, HELD
from resolvers.connections import connection_by_id
from resolvers.context import Context
from resolvers.errors import ProviderUnavailable
from resolvers.exchanging import Received
from resolvers.states import REMEMBERED

log = structlog.get_logger("tendon")

# What to report about an account: that it differs from the one before, and that another user's connection has it, too.
_NOTICED: Final = """account <> former_account AS account_changed, EXISTS (SELECT 1 FROM connection AS c
    WHERE c.account = :account AND c.provider = :provider AND c.user_id <> :user) AS account_shared"""
# Connecting again keeps `id` and `created_at` and renews the rest, if the row still has the version that was read: the
# tokens are sealed for the next one.
_RENEW: Final = Statement(
    """
    INSERT INTO connection (id, user_id, provider, created_at, updated_at, status, account, requested_scopes,
        granted_scopes, access_token, refresh_token, expires_at, granted_at, version)
    SELECT :id, user_id, provider, now(), now(), :status, :account, scopes,
        :audited, :access_token, :refresh_token, :expires_at, :granted_at, :version + 1
    FROM authorization_request WHERE {held} FOR UPDATE
    ON CONFLICT (user_id, provider) DO UPDATE SET
        updated_at = excluded.updated_at, status = excluded.status, account = excluded.account,
        former_account = coalesce(connection.account, connection.former_account),
        requested_scopes = excluded.requested_scopes, granted_scopes = excluded.granted_scopes,
        access_token = excluded.access_token, refresh_token = excluded.refresh_token,
        expires_at = excluded.expires_at, granted_at = excluded.granted_at, version = excluded.version
    WHERE connection.version = :version
    RETURNING {shown}, {noticed}""",
    """
    UPDATE authorization_request SET status = 'completed', connection_id = done.id, {ended}
    FROM done WHERE state_hash = :key""",
    audit.recorded_for("done.id"),
    audit.ACCOUNT_CHANGED,
    audit.ACCOUNT_SHARED,
    held=HELD,
    ended=ENDED,
    shown=SHOWN,
    noticed=_NOTICED,
)
# For a connection that was renewed by another flow since the claim: two flows of one user may overlap, and a write may
# come late. Older tokens don't replace newer ones; if the clock can't tell them apart, they count as newer.
_VERSION: Final = Statement(
    """
    SELECT version FROM connection
    WHERE (user_id, provider) = (SELECT user_id, provider FROM authorization_request WHERE {held})
        AND (granted_at IS NULL OR granted_at <= :granted_by)""",
    held=HELD,
)
# With the connection as somebody else has renewed it meanwhile.
_ADOPT: Final = Statement(
    """
    UPDATE authorization_request SET status = 'completed', connection_id = (SELECT id FROM connection AS c
        WHERE c.user_id = authorization_request.user_id AND c.provider = authorization_request.provider), {ended}
    WHERE {held} RETURNING connection_id""",
    audit.recorded_for("done.connection_id"),
    held=HELD,
    ended=ENDED,
)
_NAME: Final = Statement(
    """
    UPDATE connection SET account = :account WHERE id = :id AND version = :version
    RETURNING id, {noticed}""",
    audit.ACCOUNT_CHANGED,
    audit.ACCOUNT_SHARED,
    noticed=_NOTICED,
)


async def renew(context: Context, attempt: Attempt, received: Received, scopes: list[str]) -> StoredConnection:
    """Write connection, request and audit row.

    Raises DatabaseDown, and ProviderUnavailable when the lease was lost meanwhile: others were told already to start
    again.
    """
    request = received.claim.request
    event = await audit.event(
        context,
        audit.COMPLETE,
        subject=request.user_id,
        provider=request.provider,
        outcome=audit.OK,
        scopes=scopes,
    )
    held = {"key": attempt.key, "owner": attempt.owner, "remembered": REMEMBERED.total_seconds(), **event}
    version: int | None = received.claim.version
    while version is not None:
        tokens = _tokens(context.resources.vault, received, version)
        row = await _RENEW.row(context.resources.database, **held, **tokens)
        if row:
            *shown, changed, shared = row
            connection = StoredConnection.of(shown)
            _warn(connection, changed=changed, shared=shared)
            return connection
        version = await _version(context, held, received)
    return await _adopt(context, held)


async def _version(context: Context, held: dict[str, Any], received: Received) -> int | None:
    """The version of a connection that may still be renewed; None when its tokens are newer or the lease is lost."""
    granted_by = received.granted_at + timedelta(seconds=received.claim.error)
    row = await _VERSION.row(context.resources.database, **held, granted_by=granted_by)
    return row[0] if row else None


async def _adopt(context: Context, held: dict[str, Any]) -> StoredConnection:
    """The newer tokens stay, or the lease is lost."""
    row = await _ADOPT.row(context.resources.database, **held)
    connection = await connection_by_id(context, row[0]) if row else None
    if not connection:
        raise ProviderUnavailable
    log.info("connection.newer", provider=connection.provider)
    return connection


async def name_account(context: Context, connection: StoredConnection, account: str | None) -> None:
    """Add the provider's own id of the user, unless the connection was renewed meanwhile."""
    user, provider = connection.user_id, connection.provider
    event = await audit.event(context, audit.COMPLETE, subject=user, provider=provider, outcome=audit.OK)
    row = await _NAME.row(
        context.resources.database, account=account, id=connection.id, version=connection.version, **event
    )
    connection.account = account
    if row:
        _warn(connection, changed=row[1], shared=row[2])


def _warn(connection: StoredConnection, *, changed: bool | None, shared: bool) -> None:
    """Logs what the audit trail already has. The account itself is not logged."""
    if changed:
        log.warning("account.changed", provider=connection.provider, connection_id=connection.id)
    if shared:
        log.warning("account.shared", provider=connection.provider, connection_id=connection.id)


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


def _tokens(vault: Vault, received: Received, version: int) -> dict[str, Any]:
    """The columns of a connection that don't come from the request, sealed for the version after this one (0 for a new
    row)."""
    request, answer = received.claim.request, received.answer
    row = seal_row(request.user_id, request.provider, version + 1)
    return {
        "id": str(uuid6.uuid7()),
        "status": ConnectionStatus.CONNECTED,
        "account": answer.account,
        "access_token": _sealed(vault, row, "access_token", answer.access_token),
        "refresh_token": _sealed(vault, row, "refresh_token", answer.refresh_token),
        "expires_at": answer.expires_at,
        "granted_at": received.granted_at,
        "version": version,
    }


def _sealed(vault: Vault, row: tuple[str, ...], column: str, token: str | None) -> bytes | None:
    return None if token is None else vault.seal(token, table="connection", row=row, column=column)
