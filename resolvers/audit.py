"""The audit trail. What tells of a deed is written with it: RECORDED follows from the deed's statement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from models.statement import Statement
from resolvers.caller import WRITE, user_with_scope
from resolvers.context import Context
from resolvers.errors import Forbidden, InsufficientScope

OK: Final = "ok"
AUTHORIZE: Final = "authorize"
COMPLETE: Final = "complete"

_EVENT: Final = """
    INSERT INTO audit_event (at, user_id, client_id, subject, action, provider, scopes, outcome, request_id)
    SELECT now(), :actor, :client, {subject}, :action, {provider}, :audited, :outcome, :request_id"""

RECORDED: Final = f"{_EVENT.format(subject=':subject', provider=':provider')} FROM done"
"""With the values of `event`."""
RECORDED_OF_ROW: Final = f"{_EVENT.format(subject='done.user_id', provider='done.provider')} FROM done"
"""Subject and provider are those of the row that the deed's statement returns."""

_RECORD: Final = Statement(_EVENT, subject=":subject", provider=":provider")


async def record(
    context: Context, action: str, *, subject: str | None, provider: str, outcome: str, scopes: Sequence[str] = ()
) -> None:
    """One row, of what has no other statement."""
    await _RECORD.rows(**event(context, action, subject=subject, provider=provider, outcome=outcome, scopes=scopes))


def event(
    context: Context, action: str, *, subject: str | None, provider: str, outcome: str, scopes: Sequence[str] = ()
) -> dict[str, Any]:
    """The actor is the context's caller, `outcome` is OK or a code of the error table."""
    caller = context.caller
    return {
        "actor": caller.user if caller else None,
        "client": caller.client_id if caller else None,
        "subject": subject,
        "action": action,
        "provider": provider,
        "audited": json.dumps(list(scopes)) if scopes else "[]",
        "outcome": outcome,
        "request_id": context.request_id,
    }


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
