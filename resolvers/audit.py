"""Writing the audit trail. Call it inside the transaction of the deed it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from models.audit_event import AuditEvent
from resolvers.caller import WRITE, user_with_scope
from resolvers.context import Context
from resolvers.errors import Forbidden, InsufficientScope

OK: Final = "ok"
AUTHORIZE: Final = "authorize"
COMPLETE: Final = "complete"


async def record(
    context: Context, action: str, *, subject: str | None, provider: str, outcome: str, scopes: Sequence[str] = ()
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


async def acting_user(context: Context, action: str, provider: str) -> str:
    """The user who calls, when the token lets them act. Who is turned away leaves a row.

    Raises what `user_with_scope` raises.
    """
    try:
        return user_with_scope(context.caller, WRITE)
    except (Forbidden, InsufficientScope) as denial:
        # The name is the caller's text until the catalogue knows it.
        known = provider if provider in context.resources.catalogue else "?"
        subject = context.caller and context.caller.user
        await record(context, action, subject=subject, provider=known, outcome=denial.code)
        raise
