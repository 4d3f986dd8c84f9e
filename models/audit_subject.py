"""Maps a pseudonym of the audit trail back to the user. Once the row is deleted, nothing else does."""

from __future__ import annotations

from typing import Final

from models.database import Database
from models.statement import Statement

_OF_USER: Final = Statement("SELECT pseudonym FROM audit_subject WHERE user_id = :user")


async def stored_pseudonyms(database: Database, user: str) -> set[str]:
    """All pseudonyms that lead to the user. Raises DatabaseDown."""
    return {pseudonym for (pseudonym,) in await _OF_USER.rows(database, user=user)}
