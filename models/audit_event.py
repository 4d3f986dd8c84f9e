"""The audit trail: who did what to whose connection, and how it ended. Written in the transaction of the deed."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class AuditEvent(Model):
    """One row per state-changing call, refusals included. `outcome` is `ok` or a code of the error table.

    `user_id` and `client_id` are the actor as the token named it; `subject` is whose connection it is.
    """

    id = fields.BigIntField(primary_key=True)
    at = fields.DatetimeField()
    user_id = fields.CharField(max_length=255, null=True)
    client_id = fields.CharField(max_length=255, null=True)
    subject = fields.CharField(max_length=255, null=True)
    action = fields.CharField(max_length=32)
    provider = fields.CharField(max_length=63)
    scopes = fields.JSONField[list[str]]()
    outcome = fields.CharField(max_length=64)
    request_id = fields.CharField(max_length=64)

    class Meta(Model.Meta):
        table = "audit_event"
        table_description = "who did what"
        indexes = (("subject", "at"),)
