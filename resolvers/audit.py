"""Writing the audit trail. Call it inside the transaction of the deed it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from models.audit_event import AuditEvent
from resolvers.context import Context

OK: Final = "ok"
AUTHORIZE: Final = "authorize"
COMPLETE: Final = "complete"


async def record(
    context: Context, action: str, *, subject: str, provider: str, outcome: str, scopes: Sequence[str] = ()
) -> None:
    """One row: the actor is the context's caller, `outcome` is OK or a code of the error table."""
    caller = context.caller
    await AuditEvent.create(
        at=datetime.now(UTC),
        user_id=caller.user if caller else None,
        client_id=caller.client_id if caller else None,
        subject=subject,
        action=action,
        provider=provider,
        scopes=list(scopes),
        outcome=outcome,
        request_id=context.request_id,
    )
