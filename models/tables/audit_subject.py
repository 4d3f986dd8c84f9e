"""Users behind the pseudonyms of the audit trail."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class AuditSubject(Model):
    """One row for each user who ever called. The pseudonym of a user is computed."""

    pseudonym = fields.CharField(max_length=32, primary_key=True)
    user_id = fields.CharField(max_length=255, db_index=True)

    class Meta(Model.Meta):
        table = "audit_subject"
        table_description = "whom the pseudonyms of the audit trail stand for"
