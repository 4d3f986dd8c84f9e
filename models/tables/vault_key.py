"""Records of the vault keys in use."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class VaultKey(Model):
    """One row per key id. `check` is the known text, sealed with the key of that id for this row and column. A record
    that is about to be removed has a mark before it."""

    key_id = fields.CharField(max_length=32, primary_key=True)
    check = fields.BinaryField()
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "vault_key"
        table_description = "keys that sealed something here"
