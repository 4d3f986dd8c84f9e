"""Writing the audit trail. Call it inside the transaction of the deed it tells of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from models.statement import Statement
from resolvers.caller import WRITE, user_with_scope
from resolvers.context import Context
from resolvers.errors import Forbidden, InsufficientScope

OK: Final = "ok"
AUTHORIZE: Final = "authorize"
COMPLETE: Final = "complete"

_RECORD: Final = Statement(
    """
    INSERT INTO audit_event (at, user_id, client_id, subject, action, provider, scopes, outcome, request_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
)


async def record(
    context: Context, action: str, *, subject: str | None, provider: str, outcome: str, scopes: Sequence[str] = ()
) -> None:
    """One row: the actor is the context's caller, `outcome` is OK or a code of the error table."""
    caller = context.caller
    await _RECORD.rows(
        datetime.now(UTC),
        caller.user if caller else None,
        caller.client_id if caller else None,
        subject,
        action,
        provider,
        json.dumps(list(scopes)),
        outcome,
        context.request_id,
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
