"""Events of the audit trail."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class AuditEvent(Model):
    """One row for each call that changes something or is denied, and for each read of another user's data.

    `actor` and `subject` are pseudonyms (`resolvers/context.py`) of the caller and the connection's user.
    `client_id` is the app that held the token; if it is set and `actor` is not, the caller is a service. `outcome` is
    `ok`, `replayed`, or a code of the error table. `count` says how many equal calls a row stands for, and `request_id`
    is that of the last of them. A page of one user's events is read by (subject, id), newest first.
    """

    id = fields.BigIntField(primary_key=True)
    at = fields.DatetimeField()
    count = fields.IntField(db_default=1)
    actor = fields.CharField(max_length=32, null=True)
    client_id = fields.CharField(max_length=255, null=True)
    subject = fields.CharField(max_length=32, null=True)
    action = fields.CharField(max_length=32)
    provider = fields.CharField(max_length=63, null=True)
    connection_id = fields.UUIDField(null=True)
    scopes = fields.JSONField[list[str]]()
    outcome = fields.CharField(max_length=64)
    request_id = fields.CharField(max_length=64)

    class Meta(Model.Meta):
        table = "audit_event"
        table_description = "who did what"
        indexes = (("subject", "id"),)
