"""Exports of the audit trail."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class AuditExport(Model):
    """One row per export. Rows never change.

    `last_id` is the id of its last event, and `lines` the number of its last line; lines are counted through all
    exports. `digest` is the digest of that line, from which the next export continues.
    """

    number = fields.IntField(primary_key=True, generated=False)
    last_id = fields.BigIntField()
    lines = fields.BigIntField()
    digest = fields.CharField(max_length=64)
    exported_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "audit_export"
        table_description = "how far the audit trail was exported"
