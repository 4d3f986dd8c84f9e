"""Connections of users to providers."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class Connection(Model):
    """One row per (user, provider, site): connecting again renews it. `site` is empty unless the provider has several.

    `account` is the provider's own id of the user whose tokens these are, null until it is known; `former_account` is
    the last known one of earlier tokens. `version` counts how often tokens were written, and `consent` how often the
    user connected or the connection was ended. `granted_at` is when the user's grant was requested; refreshing leaves
    it. All times are of the database's clock.

    The columns of the lease that a refresh has (`models/token_refresh.py`): its `owner`, `lease_until` and number,
    `epoch`; `unsure`, how many requests with this refresh token ended without a known result, the first of them sent at
    `first_sent_at`; `refreshed_by`, the epoch that wrote the tokens, at `refreshed_at`; and of failed refreshes in a
    row their number, `failures`, the first time, `failing_since`, and when to try again, `retry_at`.

    `due_at` is when the worker has something to do for the connection, null for never.

    `pending_grant` is the id of the revocation that has the tokens of a new grant, as long as the account that they are
    of must be asked for (`models/pending_grant.py`). A connection with tokens goes on with them meanwhile, and keeps
    their status.
    """

    id = fields.UUIDField(primary_key=True)
    user_id = fields.CharField(max_length=255)
    provider = fields.CharField(max_length=63)
    status = fields.CharField(max_length=16)
    account = fields.CharField(max_length=256, null=True)
    former_account = fields.CharField(max_length=256, null=True)
    requested_scopes = fields.JSONField[list[str]]()
    granted_scopes = fields.JSONField[list[str]]()
    access_token = fields.BinaryField(null=True)
    refresh_token = fields.BinaryField(null=True)
    expires_at = fields.DatetimeField(null=True)
    last_sync_at = fields.DatetimeField(null=True)
    version = fields.IntField(db_default=1)
    granted_at = fields.DatetimeField(null=True)
    site = fields.CharField(max_length=63, db_default="")
    status_reason = fields.CharField(max_length=32, null=True)
    consent = fields.IntField(db_default=0)
    owner = fields.CharField(max_length=64, null=True)
    lease_until = fields.DatetimeField(null=True)
    epoch = fields.IntField(db_default=0)
    unsure = fields.IntField(db_default=0)
    first_sent_at = fields.DatetimeField(null=True)
    refreshed_by = fields.IntField(null=True)
    refreshed_at = fields.DatetimeField(null=True)
    retry_at = fields.DatetimeField(null=True)
    failures = fields.IntField(db_default=0)
    failing_since = fields.DatetimeField(null=True)
    due_at = fields.DatetimeField(null=True, db_index=True)
    pending_grant = fields.UUIDField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "connection"
        table_description = "users linked to providers"
        unique_together = (("user_id", "provider", "site"),)
        # With the account first, an account is found for any provider, and the index can't list a whole provider.
        indexes = (("account", "provider"),)
