"""The sealed keys of the audit trail's pseudonyms: usually one, made by the first process that needs it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from models.database import Database
from models.statement import Row, Statement
from models.vault import SealedField, VaultError
from models.vault_key import VaultKeys

_BYTES: Final = 32
_FIND: Final = Statement("SELECT number, sealed FROM audit_key ORDER BY number DESC")
_MAKE: Final = Statement(
    """
    INSERT INTO audit_key (number, sealed, created_at) VALUES (:number, :sealed, now())
    ON CONFLICT (number) DO NOTHING"""
)


async def audit_key(database: Database, keys: VaultKeys) -> bytes:
    """The key, made if none can be opened. When several processes make one at once, all use the first that is stored.

    Raises DatabaseDown, and VaultError when this process must not seal anything.
    """
    rows = await _FIND.rows(database)
    key = _newest(keys, rows)
    if key is None:
        await _make(database, keys, rows[0][0] + 1 if rows else 1)
        key = _newest(keys, await _FIND.rows(database))
    if key is None:
        raise VaultError("the audit trail's key was made by a process with other vault keys")
    return key


def _newest(keys: VaultKeys, rows: Sequence[Row]) -> bytes | None:
    for number, sealed in rows:
        with suppress(VaultError):
            return bytes.fromhex(keys.vault.open(sealed, **audit_key_field(number)))
    return None


async def _make(database: Database, keys: VaultKeys, number: int) -> None:
    # Only a process that can open all other keys may do this: one with wrong keys would give users other pseudonyms.
    await keys.check_active()
    sealed = keys.vault.seal(secrets.token_hex(_BYTES), **audit_key_field(number))
    await _MAKE.rows(database, number=number, sealed=sealed)


def audit_key_field(number: int) -> SealedField:
    """The field of a sealed key."""
    return {"table": "audit_key", "row": (str(number),), "column": "sealed"}
