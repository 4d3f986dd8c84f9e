"""A connection: one user's grant at one provider."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from models.database import Database
from models.statement import Statement


class ConnectionStatus(StrEnum):
    """The platform's own values; both interfaces print them as they are."""

    PENDING = "pending"
    CONNECTED = "connected"
    ERROR = "error"
    DISCONNECTED = "disconnected"


class Connection(Model):
    """One row per (user, provider): connecting again renews it.

    `account` is the provider's own id of the user whose tokens these are, null until it is known; `former_account` is
    the last known one of earlier tokens. How tokens are sealed and stored is in `connection_tokens.py`: `version`
    counts how often, and `granted_at` is when they were requested, by the database's clock.
    """

    id = fields.UUIDField(primary_key=True)
    user_id = fields.CharField(max_length=255)
    provider = fields.CharField(max_length=63)
    status = fields.CharField(max_length=16)
    account = fields.CharField(max_length=256, null=True)
    former_account = fields.CharField(max_length=256, null=True)
    requested_scopes = fields.JSONField[list[str]]()
    granted_scopes = fields.JSONField[list[str]]()
    access_token = fields.BinaryField(null=True)
    refresh_token = fields.BinaryField(null=True)
    expires_at = fields.DatetimeField(null=True)
    last_sync_at = fields.DatetimeField(null=True)
    version = fields.IntField(db_default=1)
    granted_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "connection"
        table_description = "users linked to providers"
        unique_together = (("user_id", "provider"),)
        # With the account first, an account is found for any provider, and the index can't list a whole provider.
        indexes = (("account", "provider"),)


SHOWN: Final = (
    "id, user_id, provider, status, account, requested_scopes, granted_scopes, last_sync_at, created_at, updated_at, "
    "granted_at, version"
)
"""The columns of a StoredConnection, in its order."""


@dataclass(slots=True)
class StoredConnection:
    """A connection as it is shown: without its tokens. Scopes are JSON as they are stored, read when asked for."""

    id: str
    user_id: str
    provider: str
    status: str
    account: str | None
    requested: str
    granted: str
    last_sync_at: datetime | None
    created_at: datetime
    updated_at: datetime
    granted_at: datetime | None
    version: int

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


_OF_USER: Final = Statement("SELECT {shown} FROM connection WHERE user_id = :user ORDER BY created_at, id", shown=SHOWN)
_BY_ID: Final = Statement("SELECT {shown} FROM connection WHERE id = :id", shown=SHOWN)


async def find_of_user(database: Database, user_id: str) -> list[StoredConnection]:
    """The user's connections, oldest first. Raises DatabaseDown."""
    return [StoredConnection.of(row) for row in await _OF_USER.rows(database, user=user_id)]


async def find_by_id(database: Database, connection_id: UUID | str) -> StoredConnection | None:
    """The connection of whatever user. Raises DatabaseDown."""
    row = await _BY_ID.row(database, id=str(connection_id))
    return StoredConnection.of(row) if row else None
