"""A connection: one user's grant at one provider, with its sealed tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from tortoise import fields
from tortoise.models import Model

from models.statement import moment


class ConnectionStatus(StrEnum):
    """The platform's own values; both interfaces print them as they are."""

    PENDING = "pending"
    CONNECTED = "connected"
    ERROR = "error"
    DISCONNECTED = "disconnected"


class Connection(Model):
    """One row per (user, provider): connecting again renews it.

    `account` is the provider's own id of the user whose tokens these are, null until it is known; `former_account` is
    the last known one of earlier tokens. Tokens are sealed for `seal_row` of this row and their column; see `vault.py`.
    `version` counts how often tokens were stored, `granted_at` is when they were requested, by the database's clock.
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
        id_, user, provider, status, account, requested, granted, synced, created, updated, asked, version = row
        moments = moment(synced), moment(created), moment(updated), moment(asked)
        return cls(str(id_), user, provider, status, account, requested, granted, *moments, version)

    @property
    def requested_scopes(self) -> list[str]:
        return json.loads(self.requested)

    @property
    def granted_scopes(self) -> list[str]:
        return json.loads(self.granted)


def seal_row(user_id: str, provider: str, version: int, site: str = "") -> tuple[str, str, str, str]:
    """The row that the vault binds a connection's tokens to.

    It holds the natural key, which is known before the row exists, so that a token moved to another user's row does not
    open, and the version that the tokens are written with, so that an older token put back does not open either. `site`
    is empty for a provider with a single site.
    """
    return (user_id, provider, site, str(version))
