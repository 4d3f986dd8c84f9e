"""What is remembered of authorization requests that have ended."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields
from tortoise.models import Model


class EndedRequest(Model):
    """One row per request that was completed or failed. Rows are inserted and deleted, never updated.

    `state_hash` is the digest of the request's `state_hash`, and `code_hash` that of its `code_hash` and of all else
    that the state was bound to. Either `connection_id` or `error` is set. `ended_at` is when the row was moved here,
    some ten minutes after the end.
    """

    PRIMARY_KEY: ClassVar = ("user_id", "state_hash")
    """The ORM has no primary keys of several columns."""

    ended_at = fields.DatetimeField(db_index=True)
    user_id = fields.CharField(max_length=255, primary_key=True)
    state_hash = fields.BinaryField()
    code_hash = fields.BinaryField(null=True)
    connection_id = fields.UUIDField(null=True)
    error = fields.CharField(max_length=64, null=True)

    class Meta(Model.Meta):
        table = "ended_request"
        table_description = "states that had their callback"
