"""A connection: one user's grant at one provider, and how it is read. `models/grant.py` stores it after a callback, and
`models/token_refresh.py` keeps its tokens fresh."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import starmap
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from models.database import Database
from models.statement import Statement
from models.vault import SealedField, Vault


class ConnectionStatus(StrEnum):
    """The platform's own values; both interfaces print them as they are."""

    PENDING = "pending"
    CONNECTED = "connected"
    ERROR = "error"
    DISCONNECTED = "disconnected"


class StatusReason(StrEnum):
    """Why a connection has its status, where the status alone doesn't say."""

    SCOPES_MISSING = "scopes_missing"
    """connected: the user granted less than was asked for."""
    REAUTHORIZATION_REQUIRED = "reauthorization_required"
    """error: the grant is over, and the user has to connect again."""
    PROVIDER_FAILING = "provider_failing"
    """error: refreshes have failed for long. They are still tried."""
    ACCOUNT_UNKNOWN = "account_unknown"
    """pending: the account is not known yet, and must be."""
    BY_USER = "by_user"
    """disconnected by the user."""
    BY_SERVICE = "by_service"
    """disconnected by a service."""


# A value that equals itself is not null. SQLite 3.40 takes IS NULL for false in what an INSERT returns.
_SHOWN_AS: Final = "CASE WHEN pending_grant = pending_grant THEN '{instead}' ELSE {column} END AS {column}"
_LISTED: Final = (
    f"user_id, provider, {_SHOWN_AS.format(column='status', instead=ConnectionStatus.PENDING)}, "
    "rfc3339(last_sync_at) AS synced, rfc3339(created_at) AS created"
)
SHOWN: Final = (
    f"id, {_LISTED}, account, requested_scopes, granted_scopes, rfc3339(updated_at) AS updated, granted_at, version, "
    f"{_SHOWN_AS.format(column='status_reason', instead=StatusReason.ACCOUNT_UNKNOWN)}, site, "
    "rfc3339(expires_at) AS expires, rfc3339(refreshed_at) AS refreshed"
)
"""The columns of a StoredConnection, in its order."""


class ListedConnection(Struct):
    """What most callers want to see of a connection. Times are texts."""

    id: str
    user_id: str
    provider: str
    status: str
    last_sync_at: str | None
    created_at: str


class StoredConnection(ListedConnection):
    """A connection as it is shown: without its tokens. Times are texts, except the one that decides which grant is the
    newer. Scopes are JSON as they are stored, read when asked for."""

    account: str | None
    requested: str
    granted: str
    updated_at: str
    granted_at: datetime | None
    version: int
    status_reason: str | None
    site: str
    expires_at: str | None
    refreshed_at: str | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> StoredConnection:
        """A row of the columns SHOWN, as either engine gives it."""
        id_, *others = row
        return cls(str(id_), *others)

    @property
    def requested_scopes(self) -> list[str]:
        return json.loads(self.requested)

    @property
    def granted_scopes(self) -> list[str]:
        return json.loads(self.granted)


# Sorted by the columns of the table, since `id` alone would be the text that a list selects.
_OF_USER: Final = "SELECT {shown} FROM connection WHERE user_id = :user ORDER BY connection.created_at, connection.id"
_ALL_OF_USER: Final = Statement(_OF_USER, shown=SHOWN)
_LISTED_OF_USER: Final = Statement(_OF_USER, shown=f"CAST(id AS text) AS id, {_LISTED}")
_BY_ID: Final = Statement("SELECT {shown} FROM connection WHERE id = :id", shown=SHOWN)
_BY_ID_OF_USER: Final = Statement("SELECT {shown} FROM connection WHERE id = :id AND user_id = :user", shown=SHOWN)


async def find_of_user(database: Database, user_id: str) -> list[StoredConnection]:
    """The user's connections, oldest first. Raises DatabaseDown."""
    return [StoredConnection.of(row) for row in await _ALL_OF_USER.rows(database, user=user_id)]


async def list_of_user(database: Database, user_id: str) -> list[ListedConnection]:
    """As `find_of_user`, with fewer columns, which takes half the CPU time."""
    return [*starmap(ListedConnection, await _LISTED_OF_USER.rows(database, user=user_id))]


async def find_by_id(database: Database, identity: UUID | str, user: str | None = None) -> StoredConnection | None:
    """The connection with this id, of any user if none is given. Raises DatabaseDown."""
    row = await (_BY_ID_OF_USER if user else _BY_ID).row(database, id=str(identity), user=user)
    return StoredConnection.of(row) if row else None


class Tokens(Struct, frozen=True):
    """The tokens of a connection, in plain text. There may be no refresh token."""

    access_token: str
    refresh_token: str | None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def seal_tokens(
    vault: Vault, user_id: str, provider: str, version: int, tokens: Tokens, site: str = ""
) -> dict[str, bytes | None]:
    """The columns of the tokens, sealed for the version that they make."""
    secrets = {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}
    return vault.seal_columns(secrets, table="connection", row=_token_row(user_id, provider, site, version))


def token_field(user_id: str, provider: str, version: int, column: str, site: str = "") -> SealedField:
    """The field of a sealed token.

    Its row is the natural key, which is known before the row exists, so that a token moved to another user's row does
    not open, and the version that the token was written with, so that an older token put back does not open either.
    Versions begin anew after an erasure.
    """
    return {"table": "connection", "row": _token_row(user_id, provider, site, version), "column": column}


def _token_row(user_id: str, provider: str, site: str, version: int) -> tuple[str, ...]:
    return (user_id, provider, site, str(version))
