"""Who holds a provider's account: the user whose connection was the first to have it."""

from __future__ import annotations

from typing import ClassVar, Final

from tortoise import fields
from tortoise.models import Model


class AccountOwner(Model):
    """One row per account that a connection has, whatever the policy for accounts is.

    `account` is the provider's own id of the user. A row lasts as long as a connection to the account does.
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


# What follows from a statement that returns `connection_id`, in the same Statement. On SQLite, `done` is no table.
RELEASED_BY_CONNECTION: Final = """
    DELETE FROM account_owner
    WHERE provider = :provider AND site = :site AND account = :account
        AND connection_id = (SELECT done.connection_id FROM done)"""
"""Releases the account that the connection holds. `account` is empty if it has none."""
