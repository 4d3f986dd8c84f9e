"""A connection: one user's grant at one provider, with its sealed tokens."""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model


class ConnectionStatus(StrEnum):
    """The platform's own values; both interfaces print them as they are."""

    PENDING = "pending"
    CONNECTED = "connected"
    ERROR = "error"
    DISCONNECTED = "disconnected"


class Connection(Model):
    """One row per (user, provider): connecting again renews it. `account` is the provider's own id of the user.

    Tokens are sealed for `seal_row` of this row and their column; see `vault.py`. `version` counts how
    often they came, `granted_at` is when they were asked for, by the database's clock.
    """

    id = fields.UUIDField(primary_key=True)
    user_id = fields.CharField(max_length=255)
    provider = fields.CharField(max_length=63)
    status = fields.CharField(max_length=16)
    account = fields.CharField(max_length=256, null=True)
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


def seal_row(user_id: str, provider: str) -> tuple[str, str]:
    """What the vault takes as the row of a connection's tokens: its natural key, known before the row exists,
    so that a token moved to another user's row does not open."""
    return (user_id, provider)
