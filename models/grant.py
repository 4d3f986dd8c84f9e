"""What a callback stores: the tokens of a new grant, sealed, all or nothing with its request.

Storing is a compare-and-set on the connection's `version`, since the tokens are sealed for the version that they make.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from models.account_owner import ACCOUNT_OWNER, HAS_OTHER_USERS, OWNED, RELEASED_FORMER, TakenAccount
from models.audit_event import (
    ACCOUNT_CHANGED,
    ACCOUNT_SHARED,
    RECORDED_WITH_CONNECTION_ID,
    RECORDED_WITH_ID,
    AuditEntry,
)
from models.authorization_request import COMPLETED, HELD, OF_STATE, STATUSES, StateBinding
from models.connection import (
    SHOWN,
    ConnectionStatus,
    StatusReason,
    StoredConnection,
    Tokens,
    find_by_id,
    seal_tokens,
)
from models.database import Database
from models.engine import Violation
from models.ids import new_id
from models.replaced_tokens import IF_NO_REFRESH_BEGAN, REVOKED, Replacement
from models.revocation import NewRevocation
from models.statement import Row, Statement
from models.vault import Vault


class Grant(Tokens, frozen=True):
    """What a provider granted: the tokens, and whose account they are of.

    They were requested at `granted_at` by the database's clock, and not after `granted_by`, as far as that is known.
    `due_in` is in how many seconds the worker has something to do for them, None for never.
    """

    expires_at: datetime | None
    account: str | None
    granted_at: datetime
    granted_by: datetime
    status_reason: StatusReason | None = None
    due_in: float | None = None


class StoredGrant(Struct, frozen=True):
    """The connection, and what the audit trail says of its account: it is another than before, or another user has it,
    too."""

    connection: StoredConnection
    account_changed: bool = False
    account_shared: bool = False

    @property
    def account_events(self) -> list[str]:
        """The log events for that. They don't name the account."""
        events = {"account.changed": self.account_changed, "account.shared": self.account_shared}
        return [event for event, happened in events.items() if happened]

    @classmethod
    def of(cls, row: Row) -> StoredGrant:
        """A row of the columns SHOWN and CHANGED, and of those that OWNED joins."""
        *shown, _former, changed, shared, owned = row
        return cls(StoredConnection.of(shown), bool(changed), bool(shared or owned))


# What to report about an account: that it differs from the one before, and that another user's connection has it, too.
CHANGED: Final = "former_account, account <> former_account AS account_changed"
ACCOUNT: Final = (ACCOUNT_CHANGED, ACCOUNT_SHARED, RELEASED_FORMER)
RENEWED: Final = """pending_grant = NULL, owner = NULL, lease_until = NULL, unsure = 0, first_sent_at = NULL,
    retry_at = NULL, failures = 0, failing_since = NULL, refreshed_at = NULL, refreshed_by = NULL"""
"""New tokens end a pending grant, whose own are in a revocation, and all that belongs to refreshing the tokens before,
such as a lease. `epoch` goes on, so that each lease has another."""
# Connecting again keeps `id` and `created_at` and renews the rest, if the row still has the version that was read.
_GRANTED: Final = """
    INSERT INTO connection (id, user_id, provider, site, created_at, updated_at, status, status_reason, account,
        requested_scopes, granted_scopes, access_token, refresh_token, expires_at, granted_at, version, consent, due_at)
    SELECT :id, user_id, provider, site, now(), now(), :status, :status_reason, :account, scopes,
        :scopes, :access_token, :refresh_token, :expires_at, :granted_at, :version + 1, 1, after(:due_in)
    FROM authorization_request WHERE {held} FOR UPDATE
    ON CONFLICT (user_id, provider, site) DO UPDATE SET
        updated_at = excluded.updated_at, status = excluded.status, status_reason = excluded.status_reason,
        account = excluded.account, former_account = coalesce(connection.account, connection.former_account),
        requested_scopes = excluded.requested_scopes, granted_scopes = excluded.granted_scopes,
        access_token = excluded.access_token, refresh_token = excluded.refresh_token,
        expires_at = excluded.expires_at, granted_at = excluded.granted_at, version = excluded.version,
        consent = connection.consent + 1, due_at = excluded.due_at, {renewed}
    WHERE connection.version = :version {unless}
    RETURNING {shown}, {changed}"""
REQUEST: Final = """
    UPDATE authorization_request SET connection_id = done.id, {completed}
    FROM done WHERE state_hash = :state_hash AND authorization_request.user_id = :user_id"""
_PARTS: Final = {
    "own": "c.user_id = :user_id AND c.provider = :provider AND c.site = :site",
    "completed": COMPLETED,
    "held": HELD,
    "shown": SHOWN,
    "changed": CHANGED,
    "renewed": RENEWED,
}
_STORE: Final = Statement(
    _GRANTED, REQUEST, RECORDED_WITH_ID, *ACCOUNT, adding=HAS_OTHER_USERS, joining=OWNED, unless="", **_PARTS
)
_REPLACE: Final = Statement(
    _GRANTED,
    REQUEST,
    RECORDED_WITH_ID,
    REVOKED,
    *ACCOUNT,
    adding=HAS_OTHER_USERS,
    joining=OWNED,
    unless=IF_NO_REFRESH_BEGAN,
    **_PARTS,
)
# For a connection that was changed since the claim: two flows of one user may overlap, and a write may come late. Older
# tokens don't replace newer ones; if the clock can't tell them apart, they count as newer. A connection that has ended
# since the claim stays ended: only a callback that comes after that may renew it.
_VERSION: Final = Statement(
    """
    SELECT version FROM connection
    WHERE user_id = :user_id AND provider = :provider AND site = :site
        AND (granted_at IS NULL OR granted_at <= :granted_by)
        AND status <> {disconnected} AND EXISTS (SELECT 1 FROM authorization_request WHERE {held})""",
    disconnected=f"'{ConnectionStatus.DISCONNECTED}'",
    held=HELD,
)
_KEEP: Final = """
    UPDATE authorization_request SET connection_id = (SELECT id FROM connection AS c WHERE {own}), {completed}
    WHERE {held} AND EXISTS (SELECT 1 FROM connection AS c WHERE {own})
    RETURNING connection_id"""
_KEEP_CONNECTION: Final = Statement(_KEEP, RECORDED_WITH_CONNECTION_ID, **_PARTS)
_KEEP_AND_REVOKE: Final = Statement(
    _KEEP,
    RECORDED_WITH_CONNECTION_ID,
    """
    INSERT INTO revocation (id, ended_version, provider, site, subject, account_subject, material, status, due_at,
        created_at)
    SELECT :revocation, 0, :provider, :site, :subject, :account_subject, :material, :revocation_status, now(), now()
    FROM done WHERE done.revokes""",
    adding="""CAST(:always AS boolean) OR EXISTS (SELECT 1 FROM connection AS c
        WHERE {own} AND c.status = {disconnected}) AS revokes""",
    disconnected=f"'{ConnectionStatus.DISCONNECTED}'",
    **_PARTS,
)
_SET_ACCOUNT: Final = Statement(
    """
    UPDATE connection SET account = :account, updated_at = now()
    WHERE id = :id AND user_id = :user_id AND granted_at = :granted_at AND status <> {disconnected}
    RETURNING id, site, rfc3339(updated_at) AS updated, {changed}""",
    *ACCOUNT,
    adding=HAS_OTHER_USERS,
    joining=OWNED,
    changed=CHANGED,
    disconnected=f"'{ConnectionStatus.DISCONNECTED}'",
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
    database: Database,
    vault: Vault,
    binding: StateBinding,
    owner: str,
    grant: Grant,
    version: int,
    entry: AuditEntry,
    *,
    exclusive: bool = False,
    replacement: Callable[[], Awaitable[Replacement | None]] | None = None,
) -> StoredGrant | None:
    """Write connection, request, account and audit row. None if the claim is no longer the owner's, or the connection
    has other tokens that stay: `keep_connection` ends the request then.

    `version` is that of the connection when the request was claimed. `entry` has the granted scopes. `replacement`
    makes the revocation of the tokens that the connection has, where they are to be revoked. Raises DatabaseDown, and
    TakenAccount if the account is another user's and connections are `exclusive`.
    """
    values: dict[str, Any] = {
        **asdict(entry),
        **asdict(binding),
        "owner": owner,
        "status": ConnectionStatus.CONNECTED,
        "status_reason": grant.status_reason,
        "account": grant.account,
        "expires_at": grant.expires_at,
        "granted_at": grant.granted_at,
        "due_in": grant.due_in,
        "exclusive": exclusive,
    }
    expected: int | None = version
    while expected is not None:
        replaced = await replacement() if replacement and expected else None
        values |= seal_tokens(vault, binding.user_id, binding.provider, expected + 1, grant, binding.site)
        values |= {"id": new_id(), "version": expected}
        stored = await _store(database, {**values, **replaced.values()} if replaced else values)
        if stored:
            return stored
        expected = await find_version(database, grant.granted_by, binding, owner)
    return None


async def find_version(database: Database, granted_by: datetime, binding: StateBinding, owner: str) -> int | None:
    """The version of the user's connection, None if it has ended or its tokens are newer, or the claim is lost."""
    rows = await _VERSION.run(database, {**asdict(binding), "owner": owner, "granted_by": granted_by})
    return rows[0][0] if rows else None


async def _store(database: Database, values: Mapping[str, Any]) -> StoredGrant | None:
    statement = _REPLACE if "revocation" in values else _STORE
    try:
        rows = await statement.run(database, values)
    except Violation as violation:
        if violation.table == ACCOUNT_OWNER:
            raise TakenAccount from None
        # Another flow has just made the row. While an index is rebuilt (REINDEX CONCURRENTLY), there are two of it, and
        # PostgreSQL resolves the conflict for only one of them.
        return None
    return StoredGrant.of(rows[0]) if rows else None


async def keep_connection(
    database: Database,
    binding: StateBinding,
    owner: str,
    entry: AuditEntry,
    *,
    unused: NewRevocation | None = None,
    always: bool = False,
) -> StoredConnection | None:
    """Complete the request with the user's connection as it is. None if the claim is no longer the owner's, or there is
    no such connection. Raises DatabaseDown.

    `unused` is the revocation of the tokens that are not stored, for a connection that has ended, and if `always` for
    one that has newer tokens, too.
    """
    values: dict[str, Any] = {**asdict(entry), **asdict(binding), "owner": owner}
    if unused is None:
        row = await _KEEP_CONNECTION.row(database, **values)
    else:
        row = await _KEEP_AND_REVOKE.row(database, **{**unused.values(), **values}, always=always)
    return await find_by_id(database, row[0], binding.user_id) if row else None


async def find_stored_by(database: Database, binding: StateBinding, owner: str, code: str) -> StoredConnection | None:
    """The connection of a request that this owner has completed. If the answer to its COMMIT was lost, nobody else
    knows of it. `code` is the hash of its code."""
    row = await _STORED_BY.row(database, owner=owner, **asdict(binding), **binding.ended(code))
    return StoredConnection.of(row) if row else None


async def set_account(
    database: Database, connection: StoredConnection, account: str | None, entry: AuditEntry
) -> StoredGrant | None:
    """Add the provider's own id of the user. None if the user has connected again meanwhile, or disconnected. Raises
    DatabaseDown."""
    whose = {"user_id": connection.user_id, "provider": connection.provider, "site": connection.site}
    values, granted_at = {**asdict(entry), **whose}, connection.granted_at
    rows = await _SET_ACCOUNT.rows(
        database, account=account, id=connection.id, granted_at=granted_at, exclusive=False, **values
    )
    if not rows:
        return None
    _id, _site, connection.updated_at, _former, changed, shared, owned = rows[0]
    connection.account = account
    return StoredGrant(connection, bool(changed), bool(shared or owned))
