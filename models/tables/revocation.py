"""Revocations of tokens."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class Revocation(Model):
    """One row per grant that has ended here. It needs nothing of the connection, which may be deleted meanwhile.

    `material` is the sealed tokens, with the account and the user that they are of, null once the status is final.
    `subject` is the user's pseudonym in the audit trail, and `account_subject` that of the account. `unsure` says that
    a refresh with these tokens may have been handled, though its result is unknown. `ended_version` is the version of
    the connection that had the tokens, 0 if none had them.

    `owner` has the lease of a delivery, until `lease_until`. Both stay after a delivery without a known result.
    `due_at` is when the next delivery may begin. All times are of the database's clock.
    """

    id = fields.UUIDField(primary_key=True)
    connection_id = fields.UUIDField(null=True)
    ended_version = fields.IntField()
    provider = fields.CharField(max_length=63)
    site = fields.CharField(max_length=63, db_default="")
    subject = fields.CharField(max_length=32)
    account_subject = fields.CharField(max_length=32, null=True)
    material = fields.BinaryField(null=True)
    unsure = fields.BooleanField(db_default=False)
    status = fields.CharField(max_length=16)
    due_at = fields.DatetimeField(null=True, db_index=True)
    owner = fields.CharField(max_length=64, null=True)
    lease_until = fields.DatetimeField(null=True)
    attempts = fields.IntField(db_default=0)
    delivered_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "revocation"
        table_description = "ended grants that the provider is told about"
        indexes = (("connection_id", "id"), ("subject", "provider"), ("account_subject", "provider"))
