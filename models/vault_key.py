"""The vault keys that ever sealed here, each with a known text sealed under it: what tells that one is missing or is
not the key it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, TypedDict

from tortoise import fields
from tortoise.models import Model

from models.vault import Vault, VaultError

_KNOWN: Final = "tendon"


class VaultKey(Model):
    """One row per key id. `check` is the known text, sealed under the key of that id for this row and column."""

    key_id = fields.CharField(max_length=32, primary_key=True)
    check = fields.BinaryField()
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "vault_key"
        table_description = "keys that sealed something here"


class _Place(TypedDict):
    table: str
    row: tuple[str, ...]
    column: str


async def unusable_keys(vault: Vault) -> list[str]:
    """The ids of keys that sealed something here but are not in the vault, or are other keys there.

    Notes the vault's active key first, should it be new here. Raises DatabaseDown.
    """
    rows = await VaultKey.all()
    if all(row.key_id != vault.active for row in rows):
        await _note(vault)
        rows = await VaultKey.all()
    return sorted(row.key_id for row in rows if not _opens(vault, row))


async def _note(vault: Vault) -> None:
    """Of several processes that do it at once the first one's stays."""
    sealed = vault.seal(_KNOWN, **_place(vault.active))
    row = VaultKey(key_id=vault.active, check=sealed, created_at=datetime.now(UTC))
    await VaultKey.bulk_create([row], ignore_conflicts=True)


def _opens(vault: Vault, row: VaultKey) -> bool:
    try:
        return vault.open(row.check, **_place(row.key_id)) == _KNOWN
    except VaultError:
        return False


def _place(key_id: str) -> _Place:
    return {"table": "vault_key", "row": (key_id,), "column": "check"}
