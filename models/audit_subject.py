"""Maps a pseudonym of the audit trail back to the user. Once the row is deleted, nothing else does."""

from __future__ import annotations

from typing import Final

from tortoise import fields
from tortoise.models import Model

from models.database import Database
from models.statement import Statement


class AuditSubject(Model):
    """One row for each user who ever called. The pseudonym of a user is computed."""

    pseudonym = fields.CharField(max_length=32, primary_key=True)
    user_id = fields.CharField(max_length=255, db_index=True)

    class Meta(Model.Meta):
        table = "audit_subject"
        table_description = "whom the pseudonyms of the audit trail stand for"


_OF_USER: Final = Statement("SELECT pseudonym FROM audit_subject WHERE user_id = :user")


async def stored_pseudonyms(database: Database, user: str) -> set[str]:
    """All pseudonyms that lead to the user. Raises DatabaseDown."""
    return {pseudonym for (pseudonym,) in await _OF_USER.rows(database, user=user)}
