"""The key of the audit trail's pseudonyms: made once for a database, by whichever process needs it first, and stored
sealed."""

from __future__ import annotations

import secrets
from typing import Final

from tortoise import fields
from tortoise.models import Model

from models.statement import Statement
from models.vault import VaultError
from models.vault_key import VaultKeys

_PURPOSE: Final = "pseudonyms"
_BYTES: Final = 32

_FIND: Final = Statement("SELECT sealed FROM audit_key WHERE purpose = :purpose")
_MAKE: Final = Statement(
    """
    INSERT INTO audit_key (purpose, sealed, created_at) VALUES (:purpose, :sealed, now())
    ON CONFLICT (purpose) DO NOTHING"""
)


class AuditKey(Model):
    """One row, which never changes: with another key the same user would get another pseudonym."""

    purpose = fields.CharField(max_length=32, primary_key=True)
    sealed = fields.BinaryField()
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "audit_key"
        table_description = "the sealed key of the pseudonyms in the audit trail"


async def audit_key(keys: VaultKeys) -> bytes:
    """The key, made if there is none yet. Of several processes that make one at once, the first one's counts.

    Raises DatabaseDown, and VaultError when the vault can't open it.
    """
    row = await _FIND.row(purpose=_PURPOSE)
    if row is None:
        await _make(keys)
        row = await _FIND.row(purpose=_PURPOSE)
    if row is None:
        raise VaultError("the audit trail's key is gone")
    return bytes.fromhex(keys.vault.open(row[0], table="audit_key", row=(_PURPOSE,), column="sealed"))


async def _make(keys: VaultKeys) -> None:
    # Sealed under a wrong key, it would lock out every process that has the right ones.
    await keys.check_active()
    sealed = keys.vault.seal(secrets.token_hex(_BYTES), table="audit_key", row=(_PURPOSE,), column="sealed")
    await _MAKE.rows(purpose=_PURPOSE, sealed=sealed)
