"""Grants whose account is not known yet, and must be before the connection gets their tokens.

Until then, the tokens are in a revocation, to which the connection's `pending_grant` points. As long as it does, the
worker asks for the account instead of revoking them. So whatever ends the connection or renews it only has to clear
`pending_grant`: the tokens are revoked then, by the rules of all revocations.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from models.account_owner import ACCOUNT_OWNER, HAS_OTHER_USERS, OWNED, TakenAccount
from models.audit_event import RECORDED_WITH_CONNECTION_ID, RECORDED_WITH_ID, AuditEntry
from models.authorization_request import COMPLETED, HELD, StateBinding
from models.connection import SHOWN, ConnectionStatus, StatusReason, StoredConnection, Tokens, seal_tokens
from models.database import Database
from models.engine import Violation
from models.grant import ACCOUNT, CHANGED, RENEWED, REQUEST, StoredGrant, find_version
from models.ids import new_id
from models.replaced_tokens import IF_NO_REFRESH_BEGAN, REVOKED, Replacement
from models.revocation import STATUSES, NewRevocation, RevocationStatus, material_field
from models.statement import Statement
from models.token_row import TokenRow
from models.vault import Vault


class PendingGrant(Tokens, frozen=True):
    """The tokens of a grant, and what the connection gets with them. Times are of the database's clock."""

    user: str
    requested: Sequence[str]
    granted: Sequence[str]
    expires_at: datetime | None
    granted_at: datetime

    def seal(self, vault: Vault, revocation_id: str, provider: str, site: str = "") -> bytes:
        """As the material of a revocation, with some values more."""
        expires_at = self.expires_at and self.expires_at.isoformat()
        scopes = [list(self.requested), list(self.granted)]
        values = [self.access_token, self.refresh_token, self.user, None, *scopes, expires_at]
        text = json.dumps([*values, self.granted_at.isoformat()])
        return vault.seal(text, **material_field(revocation_id, provider, site))

    @classmethod
    def open(cls, vault: Vault, revocation_id: str, sealed: bytes, provider: str, site: str = "") -> PendingGrant:
        """Raises VaultError."""
        values = json.loads(vault.open(sealed, **material_field(revocation_id, provider, site)))
        access, refresh, user, _account, requested, granted, expires_at, granted_at = values
        expires = datetime.fromisoformat(expires_at) if expires_at else None
        return cls(access, refresh, user, requested, granted, expires, datetime.fromisoformat(granted_at))


_WORDS: Final = {
    "connected": f"'{ConnectionStatus.CONNECTED}'",
    "pending": f"'{ConnectionStatus.PENDING}'",
    "error": f"'{ConnectionStatus.ERROR}'",
    "disconnected": f"'{ConnectionStatus.DISCONNECTED}'",
    "ended": f"'{StatusReason.BY_USER}', '{StatusReason.BY_SERVICE}'",
    "over": f"'{StatusReason.REAUTHORIZATION_REQUIRED}'",
    "to_send": STATUSES["pending"],
}
# A connection without tokens becomes pending, and keeps the reason of its status before, to get that status back.
_HOLD: Final = Statement(
    """
    INSERT INTO connection (id, user_id, provider, site, created_at, updated_at, status, requested_scopes,
        granted_scopes, granted_at, version, pending_grant)
    SELECT :id, user_id, provider, site, now(), now(), {pending}, scopes, '[]', :granted_at, :version + 1, :revocation
    FROM authorization_request WHERE {held} FOR UPDATE
    ON CONFLICT (user_id, provider, site) DO UPDATE SET
        updated_at = excluded.updated_at, pending_grant = excluded.pending_grant,
        status = CASE WHEN connection.access_token IS NULL THEN excluded.status ELSE connection.status END,
        granted_at = CASE WHEN connection.access_token IS NULL THEN excluded.granted_at ELSE connection.granted_at END,
        version = CASE WHEN connection.access_token IS NULL THEN excluded.version ELSE connection.version END
    WHERE connection.version = :version
    RETURNING {shown}""",
    REQUEST,
    RECORDED_WITH_ID,
    """
    INSERT INTO revocation (id, connection_id, ended_version, provider, site, subject, account_subject, material,
        status, due_at, created_at)
    SELECT :revocation, done.id, 0, :provider, :site, :subject, :account_subject, :material, :revocation_status,
        after(:due_in), now()
    FROM done""",
    completed=COMPLETED,
    held=HELD,
    shown=SHOWN,
    **_WORDS,
)
_POSTPONE: Final = Statement(
    """
    UPDATE revocation SET due_at = after(:wait)
    WHERE id = :id AND status = {to_send} AND owner IS NULL AND due_at <= now() RETURNING id""",
    **_WORDS,
)
_GRANT: Final = """
    UPDATE connection SET updated_at = now(), status = {connected}, status_reason = :status_reason, account = :account,
        former_account = coalesce(account, former_account), requested_scopes = :requested, granted_scopes = :scopes,
        access_token = :access_token, refresh_token = :refresh_token, expires_at = :expires_at,
        granted_at = :granted_at, version = version + 1, consent = consent + 1, due_at = after(:due_in), {renewed}
    WHERE id = :id AND version = :version AND pending_grant = :pending_grant {unless}
    RETURNING {shown}, {changed}"""
_NO_REVOCATION: Final = "DELETE FROM revocation WHERE id = :pending_grant AND EXISTS (SELECT 1 FROM done)"
_GRANT_PARTS: Final = {"shown": SHOWN, "changed": CHANGED, "renewed": RENEWED, **_WORDS}
_PROMOTE: Final = Statement(
    _GRANT, _NO_REVOCATION, RECORDED_WITH_ID, *ACCOUNT, adding=HAS_OTHER_USERS, joining=OWNED, unless="", **_GRANT_PARTS
)
_PROMOTE_AND_REVOKE: Final = Statement(
    _GRANT,
    _NO_REVOCATION,
    RECORDED_WITH_ID,
    REVOKED,
    *ACCOUNT,
    adding=HAS_OTHER_USERS,
    joining=OWNED,
    unless=IF_NO_REFRESH_BEGAN,
    **_GRANT_PARTS,
)
_DROP: Final = Statement(
    """
    UPDATE connection SET pending_grant = NULL, updated_at = now(),
        status = CASE WHEN status <> {pending} THEN status
            WHEN status_reason IN ({ended}) THEN {disconnected} ELSE {error} END,
        status_reason = CASE WHEN status = {pending} THEN coalesce(status_reason, {over}) ELSE status_reason END
    WHERE id = :connection_id AND pending_grant = :pending_grant
    RETURNING id AS connection_id""",
    """
    UPDATE revocation SET status = :revocation_status,
        material = CASE WHEN CAST(:revokes AS boolean) THEN material END,
        due_at = CASE WHEN CAST(:revokes AS boolean) THEN now() END
    FROM done WHERE id = :pending_grant""",
    RECORDED_WITH_CONNECTION_ID,
    **_WORDS,
)


class Held(Struct, frozen=True):
    """A grant to be held back: its revocation, with the grant as its material. `granted_at` and `granted_by` are those
    of `Grant`, and `due_in` the seconds until the account is asked for."""

    revocation: NewRevocation
    granted_at: datetime
    granted_by: datetime
    due_in: float


async def hold_grant(
    database: Database, binding: StateBinding, owner: str, grant: Held, version: int, entry: AuditEntry
) -> StoredConnection | None:
    """Write the pending grant, the request and the audit row. None in the cases of `store_grant`. Raises
    DatabaseDown."""
    values: dict[str, Any] = {
        **asdict(entry),
        **asdict(binding),
        **grant.revocation.values(),
        "owner": owner,
        "id": new_id(),
        "granted_at": grant.granted_at,
        "due_in": grant.due_in,
    }
    expected: int | None = version
    while expected is not None:
        if rows := await _HOLD.run(database, {**values, "version": expected}):
            return StoredConnection.of(rows[0])
        expected = await find_version(database, grant.granted_by, binding, owner)
    return None


async def postpone(database: Database, revocation_id: str, wait: float) -> bool:
    """Let the account be asked for again in `wait` seconds. False if somebody else has done so. Raises DatabaseDown."""
    return bool(await _POSTPONE.rows(database, id=revocation_id, wait=wait))


async def promote_grant(
    database: Database,
    vault: Vault,
    row: TokenRow,
    grant: PendingGrant,
    account: str | None,
    entry: AuditEntry,
    *,
    due_in: float | None,
    exclusive: bool,
    replacement: Callable[[], Awaitable[Replacement | None]] | None,
) -> StoredGrant | None:
    """Give the connection of `row` the tokens of its pending grant, and the account. None if the row has changed.

    `due_in` is that of `Grant`; `exclusive` and `replacement` are those of `store_grant`. Raises DatabaseDown, and
    TakenAccount.
    """
    are_missing = not set(grant.requested) <= set(grant.granted)
    values: dict[str, Any] = {
        **asdict(entry),
        **seal_tokens(vault, row.user_id, row.provider, row.version + 1, grant, row.site),
        "id": row.id,
        "user_id": row.user_id,
        "site": row.site,
        "version": row.version,
        "pending_grant": row.pending_grant,
        "status_reason": StatusReason.SCOPES_MISSING if are_missing else None,
        "account": account,
        "requested": json.dumps(list(grant.requested)),
        "expires_at": grant.expires_at,
        "granted_at": grant.granted_at,
        "due_in": due_in,
        "exclusive": exclusive,
    }
    replaced = await replacement() if replacement and row.access_token is not None else None
    statement = _PROMOTE_AND_REVOKE if replaced else _PROMOTE
    try:
        rows = await statement.rows(database, **{**values, **(replaced.values() if replaced else {})})
    except Violation as violation:
        if violation.table == ACCOUNT_OWNER:
            raise TakenAccount from None
        raise
    return StoredGrant.of(rows[0]) if rows else None


async def drop_grant(database: Database, row: TokenRow, entry: AuditEntry, *, revokes: bool) -> bool:
    """Let the connection be what it was before its pending grant; one that had no tokens has an error, unless it was
    disconnected. The tokens are erased, or revoked. False if the grant is not pending any more. Raises DatabaseDown."""
    status = RevocationStatus.PENDING if revokes else RevocationStatus.NOT_NEEDED
    values = {**asdict(entry), "connection_id": row.id, "pending_grant": row.pending_grant}
    return bool(await _DROP.rows(database, **values, revokes=revokes, revocation_status=status))
