"""Reads the audit trail for tests: from the database, by the user's id."""

from __future__ import annotations

import hmac
from typing import Any

from models.vault import Vault, read_keys
from tests.databases import Database
from tests.processes import Process

Event = tuple[Any, ...]


async def pseudonym(database: Database, user: str) -> str | None:
    return await database.value("SELECT pseudonym FROM audit_subject WHERE user_id = $1", user)


async def events(database: Database, user: str, columns: str = "action, outcome") -> list[Event]:
    """All rows about a user who has called before, oldest first."""
    name = await pseudonym(database, user)
    return list(await database.fetch(f"SELECT {columns} FROM audit_event WHERE subject = $1 ORDER BY id", name))


async def computed_pseudonym(database: Database, process: Process, user: str) -> str:
    """The pseudonym computed with the vault's keys, also of a user who never called."""
    vault = Vault(read_keys((process.folder / ".tendon" / "vault.keys").read_text()))
    sealed = await database.value("SELECT sealed FROM audit_key")
    key = bytes.fromhex(vault.open(bytes(sealed), table="audit_key", row=("1",), column="sealed"))
    return hmac.digest(key, user.encode(), "sha256")[:16].hex()
