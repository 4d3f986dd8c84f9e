"""The audit trail. What tells of a deed is written with it: RECORDED follows from the deed's statement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from models.connection import StoredConnection
from models.statement import Statement
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
from resolvers.repeats import Values, Write

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
"""The problems that are recorded for an authenticated caller. Those that pass, or are our own fault, are not
recorded."""

_EVENT: Final = """
    INSERT INTO audit_event (at, actor, client_id, subject, action, provider, connection_id, scopes, outcome,
        request_id)
    SELECT now(), :actor, :client, :subject, {action}, {provider}, {connection}, {scopes}, :outcome, :request_id"""
_USUAL: Final = {"action": ":action", "provider": ":provider", "connection": "NULL", "scopes": ":audited"}


def _following(**columns: str) -> str:
    return f"{_EVENT.format(**_USUAL | columns)} FROM done"


def recorded_for(connection: str) -> str:
    """RECORDED with the connection id in this column of `done`."""
    return _following(connection=connection)


def _account_event(action: str) -> str:
    return _following(action=f"'{action}'", connection="done.id", scopes="'[]'")


RECORDED: Final = _following()
"""Takes the values of `event`, as all of these do."""
RECORDED_OF_ROW: Final = _following(provider="done.provider")
"""The provider comes from the row that the main statement returns."""
ACCOUNT_CHANGED: Final = f"{_account_event('account_changed')} WHERE done.account_changed"
ACCOUNT_SHARED: Final = f"{_account_event('account_shared')} WHERE done.account_shared"
# A service has no pseudonym, so there is nothing to store.
NAMED: Final = """
    INSERT INTO audit_subject (pseudonym, user_id) SELECT :actor, :user FROM done WHERE CAST(:actor AS text) IS NOT NULL
    ON CONFLICT (pseudonym) DO NOTHING"""
"""Maps the caller's pseudonym to the user id. Only callers are stored: the user a call is about may be a guess. A flow
stores its user when it begins."""

_RECORD: Final = Statement(
    """
    INSERT INTO audit_event (at, actor, client_id, subject, action, provider, connection_id, scopes, outcome,
        request_id, count)
    SELECT now(), :actor, :client, :subject, :action, :provider, :connection_id, :audited, :outcome,
        :request_id, :count
    RETURNING id""",
    NAMED,
)


async def record(
    context: Context,
    action: str,
    *,
    subject: str | None,
    provider: str | None = None,
    connection_id: str | None = None,
) -> None:
    """Write one row for a successful action that has no statement of its own."""
    told = await event(context, action, subject=subject, provider=provider, outcome=OK)
    await _writer(context)({**told, "connection_id": connection_id, "count": 1})


async def denied(
    context: Context,
    action: str,
    problem: Problem,
    *,
    subject: str | None = None,
    provider: str | None = None,
    connection_id: str | None = None,
) -> None:
    """Record that the caller is denied something, if the problem is one of DENIALS and the caller is known.

    `provider` may be any text. Without `subject`, the row is about the caller. Raises DatabaseDown.
    """
    caller = context.caller
    if caller is None or problem.code not in DENIALS:
        return
    if provider is not None and provider not in context.resources.catalogue:
        # Unknown slugs are the caller's own text.
        provider = "?"
    told = await event(context, action, subject=subject or caller.user, provider=provider, outcome=problem.code)
    await context.resources.repeats.record({**told, "connection_id": connection_id}, _writer(context))


async def replayed(context: Context, connection: StoredConnection) -> None:
    """Record that a repeated callback got the connection of an earlier one."""
    user, provider = connection.user_id, connection.provider
    told = await event(context, COMPLETE, subject=user, provider=provider, outcome=REPLAYED)
    await context.resources.repeats.record({**told, "connection_id": connection.id}, _writer(context))


async def event(
    context: Context,
    action: str,
    *,
    subject: str | None,
    provider: str | None,
    outcome: str,
    scopes: Sequence[str] = (),
) -> dict[str, Any]:
    """The values of a row. The actor is the context's caller, `subject` a user's id, `outcome` is OK, REPLAYED or a
    code of the error table. `user` is the caller's own id, for NAMED."""
    caller, pseudonyms = context.caller, context.resources.pseudonyms
    user = caller.user if caller else None
    actor = await pseudonyms.of(user)
    return {
        "actor": actor,
        "user": user,
        "client": caller.client_id if caller else None,
        "subject": actor if subject == user else await pseudonyms.of(subject),
        "action": action,
        "provider": provider,
        "audited": json.dumps(list(scopes)) if scopes else "[]",
        "outcome": outcome,
        "request_id": context.request_id,
    }


def _writer(context: Context) -> Write:
    async def write(values: Values) -> None:
        await _RECORD.rows(context.resources.database, **values)

    return write
