"""Authorization requests that wait for their callback, or had it minutes ago."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields
from tortoise.models import Model


class AuthorizationRequest(Model):
    """One row per state. The state itself is never stored, only its SHA-256; so is the code that claimed it.

    `registration` pins our client and the provider's endpoints as they were when the user left. `owner` is
    the attempt that holds or held the claim, and from `lease_until` on it counts as dead. `error` is the contract's
    code of a failed request, which every repeated callback gets. All times are of the database's clock.

    `purge_after` is for the previous version, which may run beside this one during an update: it deletes what is
    older. This version sets it to null, which keeps the row, and it is indexed only where it is not null.

    The index on the user finds the requests that are being exchanged for a user whose connection has ended.
    """

    PRIMARY_KEY: ClassVar = ("state_hash", "user_id")
    """The ORM has no primary keys of several columns. The previous version asks by the state alone."""

    state_hash = fields.CharField(max_length=64, primary_key=True)
    user_id = fields.CharField(max_length=255, db_index=True)
    provider = fields.CharField(max_length=63)
    redirect_uri = fields.TextField()
    registration = fields.CharField(max_length=64)
    scopes = fields.JSONField[list[str]]()
    verifier = fields.BinaryField(null=True)
    status = fields.CharField(max_length=16)
    code_hash = fields.CharField(max_length=64, null=True)
    owner = fields.CharField(max_length=64, null=True)
    lease_until = fields.DatetimeField(null=True)
    connection_id = fields.UUIDField(null=True)
    error = fields.CharField(max_length=64, null=True)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(db_index=True)
    purge_after = fields.DatetimeField(null=True, db_index=True)
    site = fields.CharField(max_length=63, db_default="")

    class Meta(Model.Meta):
        table = "authorization_request"
        table_description = "states that wait for their callback, or had it"
