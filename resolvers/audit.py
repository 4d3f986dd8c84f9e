"""What goes into the audit trail, and whom it names. The statements that write it are in `models/audit_event.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from models.audit_event import AuditEntry
from models.audit_event import record as write
from models.connection import StoredConnection
from resolvers.context import Context
from resolvers.errors import (
    AccessDenied,
    ConnectionNotFound,
    Forbidden,
    InsufficientScope,
    InvalidGrant,
    InvalidState,
    InvalidToken,
    Problem,
    ProviderNotFound,
    ValidationError,
)

AUTHENTICATE: Final = "authenticate"
AUTHORIZE: Final = "authorize"
COMPLETE: Final = "complete"
READ: Final = "read"

OK: Final = "ok"
REPLAYED: Final = "replayed"
"""The outcome of a callback that was sent again and got the same connection."""
DENIALS: Final = frozenset(
    problem.code
    for problem in (
        AccessDenied,
        ConnectionNotFound,
        Forbidden,
        InsufficientScope,
        InvalidGrant,
        InvalidState,
        InvalidToken,
        ProviderNotFound,
        ValidationError,
    )
)
"""The problems that are recorded for an authenticated caller. Temporary ones and our own faults are not."""


async def record(
    context: Context,
    action: str,
    *,
    subject: str | None,
    provider: str | None = None,
    connection_id: str | None = None,
) -> None:
    """Write one row for a successful action that has no statement of its own."""
    recorded = await entry(context, action, subject=subject, provider=provider, outcome=OK, connection_id=connection_id)
    await write(context.resources.database, recorded)


async def denied(
    context: Context,
    action: str,
    problem: Problem,
    *,
    subject: str | None = None,
    provider: str | None = None,
    connection_id: str | None = None,
) -> None:
    """Record that the caller was refused, if the problem is one of DENIALS and the caller is known.

    `provider` may be any text. Without `subject`, the row is about the caller. Raises DatabaseDown.
    """
    caller = context.caller
    if caller is None or problem.code not in DENIALS:
        return
    if provider is not None and provider not in context.resources.catalogue:
        # Unknown slugs are the caller's own text.
        provider = "?"
    refused = await entry(
        context,
        action,
        subject=subject or caller.user,
        provider=provider,
        outcome=problem.code,
        connection_id=connection_id,
    )
    await context.resources.repeats.record(refused)


async def replayed(context: Context, connection: StoredConnection) -> None:
    """Record that a repeated callback got the connection of an earlier one."""
    user, provider = connection.user_id, connection.provider
    repeated = await entry(
        context, COMPLETE, subject=user, provider=provider, outcome=REPLAYED, connection_id=connection.id
    )
    await context.resources.repeats.record(repeated)


async def entry(
    context: Context,
    action: str,
    *,
    subject: str | None,
    provider: str | None,
    outcome: str,
    connection_id: str | None = None,
    scopes: Sequence[str] = (),
) -> AuditEntry:
    """A row about the context's caller. `subject` is a user's id, `outcome` OK, REPLAYED or a code of the error table.

    Raises DatabaseDown, and ServiceUnavailable when there can be no pseudonyms.
    """
    caller, pseudonyms = context.caller, context.resources.pseudonyms
    user = caller.user if caller else None
    actor = await pseudonyms.of(user)
    return AuditEntry(
        actor=actor,
        user=user,
        client_id=caller.client_id if caller else None,
        subject=actor if subject == user else await pseudonyms.of(subject),
        action=action,
        provider=provider,
        outcome=outcome,
        request_id=context.request_id,
        connection_id=connection_id,
        scopes=json.dumps(list(scopes)) if scopes else "[]",
    )
