import functools
from json import dumps, loads
from uuid import uuid4

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="AuditEvent",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("user_id", fields.CharField(null=True, max_length=255)),
                ("client_id", fields.CharField(null=True, max_length=255)),
                ("subject", fields.CharField(null=True, max_length=255)),
                ("action", fields.CharField(max_length=32)),
                ("provider", fields.CharField(max_length=63)),
                ("scopes", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("outcome", fields.CharField(max_length=64)),
                ("request_id", fields.CharField(max_length=64)),
            ],
            options={
                "table": "audit_event",
                "app": "models",
                "indexes": [Index(fields=["subject", "at"])],
                "pk_attr": "id",
                "table_description": "who did what",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="AuthorizationRequest",
            fields=[
                ("state_hash", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                ("user_id", fields.CharField(max_length=255)),
                ("provider", fields.CharField(max_length=63)),
                ("redirect_uri", fields.TextField(unique=False)),
                ("registration", fields.CharField(max_length=64)),
                ("scopes", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("verifier", fields.BinaryField(null=True)),
                ("status", fields.CharField(max_length=16)),
                ("code_hash", fields.CharField(null=True, max_length=64)),
                ("owner", fields.CharField(null=True, max_length=64)),
                ("lease_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("connection_id", fields.UUIDField(null=True)),
                ("error", fields.CharField(null=True, max_length=64)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("purge_after", fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "authorization_request",
                "app": "models",
                "pk_attr": "state_hash",
                "table_description": "states that wait for their callback, or had it",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Connection",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True)),
                ("user_id", fields.CharField(max_length=255)),
                ("provider", fields.CharField(max_length=63)),
                ("status", fields.CharField(max_length=16)),
                ("account", fields.CharField(null=True, max_length=256)),
                (
                    "requested_scopes",
                    fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                (
                    "granted_scopes",
                    fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                ("access_token", fields.BinaryField(null=True)),
                ("refresh_token", fields.BinaryField(null=True)),
                ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("last_sync_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "connection",
                "app": "models",
                "unique_together": (("user_id", "provider"),),
                "pk_attr": "id",
                "table_description": "users linked to providers",
            },
            bases=["Model"],
        ),
    ]
