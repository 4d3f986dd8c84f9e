"""Keys of the audit trail's pseudonyms."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class AuditKey(Model):
    """One row per key. Rows never change; a process uses the newest key that it can open.

    There is a second key only if the vault key that sealed the first is gone. A user then has a second pseudonym, and
    `audit_subject` maps both back to the user.
    """

    number = fields.IntField(primary_key=True, generated=False)
    sealed = fields.BinaryField()
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "audit_key"
        table_description = "the sealed keys of the pseudonyms in the audit trail"
