"""What goes into the audit trail. `Context.audit_entry` makes its rows, and the statements that write them are in
`models/audit_event.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from models.audit_event import record as write
from models.connection import StoredConnection
from resolvers.context import Context
from resolvers.errors import (
    AccessDenied,
    AccountTaken,
    ConnectionNotFound,
    Forbidden,
    InsufficientScope,
    InvalidGrant,
    InvalidState,
    InvalidToken,
    Problem,
    ProviderNotFound,
    ReauthorizationRequired,
    ScopesMissing,
    ValidationError,
)

AUTHENTICATE: Final = "authenticate"
AUTHORIZE: Final = "authorize"
COMPLETE: Final = "complete"
DISCONNECT: Final = "disconnect"
ERASE: Final = "erase"
ISSUE_TOKEN: Final = "issue_token"  # noqa: S105 - the name of an action
READ: Final = "read"
READ_AUDIT: Final = "read_audit"
REFRESH: Final = "refresh"
"""Only what a refresh changes about the connection's status: it was lost, is failing, or works again."""
REVOKE: Final = "revoke"

OK: Final = "ok"
REPLAYED: Final = "replayed"
"""The outcome of a call that was sent again and got the same connection."""
DENIALS: Final = frozenset(
    problem.code
    for problem in (
        AccessDenied,
        AccountTaken,
        ConnectionNotFound,
        Forbidden,
        InsufficientScope,
        InvalidGrant,
        InvalidState,
        InvalidToken,
        ProviderNotFound,
        ReauthorizationRequired,
        ScopesMissing,
        ValidationError,
    )
)
"""The codes of problems that are recorded for an authenticated caller. Temporary problems and internal errors are not
recorded."""


async def record(
    context: Context,
    action: str,
    *,
    subject: str | None,
    provider: str | None = None,
    connection_id: str | None = None,
    scopes: Sequence[str] = (),
) -> None:
    """Write one row for a successful action that has no statement of its own."""
    recorded = await context.audit_entry(
        action, subject=subject, provider=provider, outcome=OK, connection_id=connection_id, scopes=scopes
    )
    await write(context.resources.database, recorded)


async def denied(
    context: Context,
    action: str,
    problem: Problem,
    *,
    subject: str | None = None,
    provider: str | None = None,
    connection_id: str | None = None,
    names_caller: bool = True,
) -> None:
    """Record that the request was denied, if the problem is one of DENIALS and the caller is authenticated.

    `provider` may be any text. `subject` defaults to the caller. The caller's id is stored beside the pseudonym, unless
    `names_caller` is false. Raises DatabaseDown.
    """
    caller = context.caller
    if caller is None or problem.code not in DENIALS:
        return
    if provider is not None and provider not in context.resources.catalogue:
        # An unknown slug is arbitrary text from the caller, so it is not stored.
        provider = "?"
    refused = await context.audit_entry(
        action,
        subject=subject or caller.user,
        provider=provider,
        outcome=problem.code,
        connection_id=connection_id,
    )
    await context.resources.repeats.record(refused if names_caller else replace(refused, user=None))


async def replayed(context: Context, connection: StoredConnection, action: str = COMPLETE) -> None:
    """Record that a repeated call was answered with the connection of the first one."""
    user, provider = connection.user_id, connection.provider
    repeated = await context.audit_entry(
        action, subject=user, provider=provider, outcome=REPLAYED, connection_id=connection.id
    )
    # Its user began a flow before, which has stored the id, and may have been forgotten since this call began.
    repeated = replace(repeated, user=None)
    if context.caller is not None and context.caller.is_service:
        # The answer shows the connection, and each read by a service has a row.
        await write(context.resources.database, repeated)
    else:
        await context.resources.repeats.record(repeated)
