"""Ending a connection: its tokens are erased, and the revocation that needs them is recorded, all or nothing."""

from __future__ import annotations

from typing import Final

from msgspec.structs import asdict

from models.account_owner import RELEASED_BY_CONNECTION
from models.audit_event import RECORDED_WITH_CONNECTION_ID, AuditEntry
from models.connection import ConnectionStatus, StatusReason
from models.database import Session
from models.revocation import STATUSES, NewRevocation
from models.statement import Statement
from models.token_row import TokenRow

# A refresh in progress is waited for: what it gives is put into the revocation, if it comes in time. The account may
# become known without a new version. The tokens of a pending grant are in a revocation already: nobody awaits them any
# more. If the connection has no others, this is its revocation.
_END: Final = Statement(
    """
    INSERT INTO revocation (id, connection_id, ended_version, provider, site, subject, account_subject, material,
        unsure, status, due_at, created_at)
    SELECT :revocation, id, version, provider, site, :subject, :account_subject, :material,
        owner IS NOT NULL OR unsure > 0, :revocation_status,
        CASE WHEN :is_pending THEN coalesce(lease_until, now()) END, now()
    FROM connection
    WHERE id = :id AND version = :version AND status <> {disconnected} AND coalesce(account, '') = :account
    FOR UPDATE
    ON CONFLICT (id) DO UPDATE SET due_at = CASE WHEN revocation.status = {pending} THEN now() END
    RETURNING connection_id""",
    """
    UPDATE connection SET status = {disconnected}, status_reason = :reason, access_token = NULL, refresh_token = NULL,
        expires_at = NULL, version = version + 1, consent = consent + 1, owner = NULL, lease_until = NULL, unsure = 0,
        first_sent_at = NULL, retry_at = NULL, failures = 0, failing_since = NULL, due_at = NULL, pending_grant = NULL,
        updated_at = now()
    FROM done WHERE id = done.connection_id""",
    RELEASED_BY_CONNECTION,
    RECORDED_WITH_CONNECTION_ID,
    disconnected=f"'{ConnectionStatus.DISCONNECTED}'",
    pending=STATUSES["pending"],
)


async def end_connection(
    session: Session, row: TokenRow, revocation: NewRevocation, reason: StatusReason, entry: AuditEntry
) -> bool:
    """Disconnect the connection if it still has the tokens of `row`. Raises DatabaseDown.

    False if it has other tokens or another account now, or has ended: read it again.
    """
    values = {**asdict(entry), **revocation.values()}
    rows = await _END.rows(session, id=row.id, version=row.version, account=row.account or "", reason=reason, **values)
    return bool(rows)
