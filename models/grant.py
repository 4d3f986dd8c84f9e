"""What a callback stores: the tokens of a new grant, sealed, all or nothing with its request.

Storing is a compare-and-set on the connection's `version`, since the tokens are sealed for the version that they make.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import uuid6

from models.audit_event import (
    ACCOUNT_CHANGED,
    ACCOUNT_SHARED,
    RECORDED_WITH_CONNECTION_ID,
    RECORDED_WITH_ID,
    AuditEntry,
)
from models.authorization_request import COMPLETED, HELD, OF_STATE, STATUSES, StateBinding
from models.connection import SHOWN, ConnectionStatus, StoredConnection, Tokens, find_by_id, seal_tokens
from models.database import Database
from models.statement import Statement
from models.vault import Vault


@dataclass(frozen=True, slots=True)
class Grant(Tokens):
    """What a provider granted: the tokens, and whose account they are of.

    They were requested at `granted_at` by the database's clock, and not after `granted_by`, as far as that is known.
    """

    expires_at: datetime | None
    account: str | None
    granted_at: datetime
    granted_by: datetime


@dataclass(frozen=True, slots=True)
class StoredGrant:
    """The connection, and what the audit trail says of its account: it is another than before, or another user has it,
    too. With `superseded`, the connection has newer tokens of another flow, which stay."""

    connection: StoredConnection
    account_changed: bool = False
    account_shared: bool = False
    superseded: bool = False


# What to report about an account: that it differs from the one before, and that another user's connection has it, too.
_CHANGED: Final = "account <> former_account AS account_changed"
_SHARED: Final = """EXISTS (SELECT 1 FROM connection AS c
    WHERE c.account = :account AND c.provider = :provider AND c.user_id <> :user_id) AS account_shared"""
# Connecting again keeps `id` and `created_at` and renews the rest, if the row still has the version that was read.
_STORE: Final = Statement(
    """
    INSERT INTO connection (id, user_id, provider, created_at, updated_at, status, account, requested_scopes,
        granted_scopes, access_token, refresh_token, expires_at, granted_at, version)
    SELECT :id, user_id, provider, now(), now(), :status, :account, scopes,
        :scopes, :access_token, :refresh_token, :expires_at, :granted_at, :version + 1
    FROM authorization_request WHERE {held} FOR UPDATE
    ON CONFLICT (user_id, provider) DO UPDATE SET
        updated_at = excluded.updated_at, status = excluded.status, account = excluded.account,
        former_account = coalesce(connection.account, connection.former_account),
        requested_scopes = excluded.requested_scopes, granted_scopes = excluded.granted_scopes,
        access_token = excluded.access_token, refresh_token = excluded.refresh_token,
        expires_at = excluded.expires_at, granted_at = excluded.granted_at, version = excluded.version
    WHERE connection.version = :version
    RETURNING {shown}, {changed}""",
    """
    UPDATE authorization_request SET connection_id = done.id, {completed}
    FROM done WHERE state_hash = :state_hash AND authorization_request.user_id = :user_id""",
    RECORDED_WITH_ID,
    ACCOUNT_CHANGED,
    ACCOUNT_SHARED,
    adding=_SHARED,
    completed=COMPLETED,
    held=HELD,
    shown=SHOWN,
    changed=_CHANGED,
)
# For a connection that was renewed by another flow since the claim: two flows of one user may overlap, and a write may
# come late. Older tokens don't replace newer ones; if the clock can't tell them apart, they count as newer.
_VERSION: Final = Statement(
    """
    SELECT version FROM connection
    WHERE user_id = :user_id AND provider = :provider AND (granted_at IS NULL OR granted_at <= :granted_by)
        AND EXISTS (SELECT 1 FROM authorization_request WHERE {held})""",
    held=HELD,
)
_KEEP_NEWER: Final = Statement(
    """
    UPDATE authorization_request SET connection_id = (SELECT id FROM connection AS c
        WHERE c.user_id = :user_id AND c.provider = :provider), {completed}
    WHERE {held} RETURNING connection_id""",
    RECORDED_WITH_CONNECTION_ID,
    completed=COMPLETED,
    held=HELD,
)
_SET_ACCOUNT: Final = Statement(
    """
    UPDATE connection SET account = :account WHERE id = :id AND user_id = :user_id AND version = :version
    RETURNING id, {changed}""",
    ACCOUNT_CHANGED,
    ACCOUNT_SHARED,
    adding=_SHARED,
    changed=_CHANGED,
)
# A request that has ended long ago needs no owner: only one attempt can have exchanged the code that it ended with.
_STORED_BY: Final = Statement(
    """
    SELECT {shown} FROM connection WHERE user_id = :user_id AND id = (
        SELECT connection_id FROM authorization_request WHERE {of_state} AND owner = :owner AND status = {completed}
        UNION ALL
        SELECT connection_id FROM ended_request
        WHERE user_id = :user_id AND state_hash = :ended_state AND code_hash = :ended_code AND error IS NULL)""",
    shown=SHOWN,
    of_state=OF_STATE,
    completed=STATUSES["completed"],
)


async def store_grant(
    database: Database, vault: Vault, binding: StateBinding, owner: str, grant: Grant, version: int, entry: AuditEntry
) -> StoredGrant | None:
    """Write connection, request and audit row. None if the claim is no longer the owner's.

    `version` is that of the connection when the request was claimed. `entry` has the granted scopes. Raises
    DatabaseDown.
    """
    held = {"state_hash": binding.state_hash, "user_id": binding.user_id, "owner": owner, **vars(entry)}
    expected: int | None = version
    while expected is not None:
        tokens = seal_tokens(vault, binding.user_id, binding.provider, expected + 1, grant)
        rows = await _STORE.rows(
            database,
            id=str(uuid6.uuid7()),
            status=ConnectionStatus.CONNECTED,
            account=grant.account,
            expires_at=grant.expires_at,
            granted_at=grant.granted_at,
            version=expected,
            **tokens,
            **held,
        )
        if rows:
            *shown, changed, shared = rows[0]
            return StoredGrant(StoredConnection.of(shown), bool(changed), bool(shared))
        newer = await _VERSION.row(database, granted_by=grant.granted_by, **held)
        expected = newer[0] if newer else None
    return await _keep_newer(database, held)


async def _keep_newer(database: Database, held: dict[str, Any]) -> StoredGrant | None:
    row = await _KEEP_NEWER.row(database, **held)
    connection = await find_by_id(database, row[0], held["user_id"]) if row else None
    return StoredGrant(connection, superseded=True) if connection else None


async def find_stored_by(database: Database, binding: StateBinding, owner: str, code: str) -> StoredConnection | None:
    """The connection of a request that this owner has completed. If the answer to its COMMIT was lost, nobody else
    knows of it. `code` is the hash of its code."""
    row = await _STORED_BY.row(database, owner=owner, **binding.values(), **binding.ended(code))
    return StoredConnection.of(row) if row else None


async def set_account(
    database: Database, connection: StoredConnection, account: str | None, entry: AuditEntry
) -> StoredGrant | None:
    """Add the provider's own id of the user. None if the connection was renewed meanwhile. Raises DatabaseDown."""
    values = {**vars(entry), "user_id": connection.user_id, "provider": connection.provider}
    rows = await _SET_ACCOUNT.rows(database, account=account, id=connection.id, version=connection.version, **values)
    if not rows:
        return None
    connection.account = account
    return StoredGrant(connection, bool(rows[0][1]), bool(rows[0][2]))
