"""The audit trail: who did what to whose connection, and how it ended. A row is written with what it records."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from models.database import Session
from models.statement import Row, Statement

SHOWN: Final = (
    "id, at AS event_at, action, outcome, actor, client_id, subject, provider, connection_id, scopes, count, request_id"
)
"""The columns of a StoredEvent, in its order."""


class StoredEvent(Struct, frozen=True):
    """A row as it was stored, with pseudonyms."""

    id: int
    at: datetime
    action: str
    outcome: str
    actor: str | None
    client_id: str | None
    subject: str | None
    provider: str | None
    connection_id: str | None
    scopes: list[str]
    count: int
    request_id: str

    @classmethod
    def of(cls, row: Row) -> StoredEvent:
        """A row of the columns SHOWN, as either engine gives it."""
        *others, connection, scopes, count, request_id = row
        values: list[Any] = [None if connection is None else str(connection), json.loads(scopes), count, request_id]
        return cls(*others, *values)


class AuditEntry(Struct, frozen=True):
    """What a row says. Its attributes are the values of RECORDED and its kin, and of NAMED.

    `user` is the caller's own id, for which `actor` is the pseudonym, and None in rows that must not store it
    because the user may have been forgotten since the call began. `scopes` are JSON.
    """

    actor: str | None
    user: str | None
    client_id: str | None
    subject: str | None
    action: str
    provider: str | None
    outcome: str
    request_id: str
    connection_id: str | None = None
    scopes: str = "[]"


_EVENT: Final = """
    INSERT INTO audit_event (at, actor, client_id, subject, action, provider, connection_id, scopes, outcome,
        request_id)
    SELECT now(), :actor, :client_id, :subject, {action}, {provider}, {connection}, {scopes}, :outcome, :request_id
    FROM done"""


def _recorded(
    *, action: str = ":action", provider: str = ":provider", connection: str = "NULL", scopes: str = ":scopes"
) -> str:
    return _EVENT.format(action=action, provider=provider, connection=connection, scopes=scopes)


def _account_event(action: str) -> str:
    return _recorded(action=f"'{action}'", connection="done.id", scopes="'[]'")


# What follows from the statement that is recorded, in the same Statement.
RECORDED: Final = _recorded()
RECORDED_WITH_PROVIDER: Final = _recorded(provider="done.provider")
"""The provider is a column of the row that the first statement returns."""
RECORDED_WITH_ID: Final = _recorded(connection="done.id")
RECORDED_WITH_CONNECTION_ID: Final = _recorded(connection="done.connection_id")
"""Two that take the connection's id from that row, by the column that has it."""
ACCOUNT_CHANGED: Final = f"{_account_event('account_changed')} WHERE done.account_changed"
ACCOUNT_SHARED: Final = f"{_account_event('account_shared')} WHERE done.account_shared OR done.account_owned"
# A service has no id, so there is nothing to store.
NAMED: Final = """
    INSERT INTO audit_subject (pseudonym, user_id) SELECT :actor, CAST(:user AS text)
    FROM done WHERE CAST(:user AS text) IS NOT NULL
    ON CONFLICT (pseudonym) DO NOTHING"""
"""Maps the caller's pseudonym to the user id. Only callers are stored: the user a call is about may be a guess. A flow
stores its user when it begins."""

_RECORD: Final = Statement(
    """
    INSERT INTO audit_event (at, actor, client_id, subject, action, provider, connection_id, scopes, outcome,
        request_id, count)
    SELECT now(), :actor, :client_id, :subject, :action, :provider, :connection_id, :scopes, :outcome,
        :request_id, :count
    RETURNING id""",
    NAMED,
)


async def record(session: Session, entry: AuditEntry, count: int = 1) -> None:
    """Write one row for what has no statement of its own, and that happened `count` times. Raises DatabaseDown."""
    await _RECORD.rows(session, count=count, **asdict(entry))
