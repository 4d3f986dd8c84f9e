"""Account owners: which user holds a provider's account."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields
from tortoise.models import Model


class AccountOwner(Model):
    """One row per account, whatever the policy for accounts is. `account` is the provider's own id of the user.

    If several users have connections to an account, it is the first one's. The row ends when that connection does, or
    gets another account. Connections that have no row, such as those that the previous version stores during an update,
    are found by their column `account`.
    """

    PRIMARY_KEY: ClassVar = ("provider", "site", "account")
    """The ORM has no primary keys of several columns."""

    provider = fields.CharField(max_length=63, primary_key=True)
    site = fields.CharField(max_length=63, db_default="")
    account = fields.CharField(max_length=256)
    user_id = fields.CharField(max_length=255, db_index=True)
    connection_id = fields.UUIDField()
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "account_owner"
        table_description = "whose connection has an account of a provider"
