from uuid import uuid4

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.raw_migration import Told, sql

# Whose account it is, for connections that are there already: the oldest one's user.
_OWNERS = """
INSERT INTO account_owner (provider, account, user_id, connection_id, created_at)
SELECT provider, account, user_id, id, created_at FROM connection WHERE account IS NOT NULL ORDER BY created_at, id
ON CONFLICT DO NOTHING"""
_POSTGRES = """
CREATE TABLE account_owner (
    provider VARCHAR(63) NOT NULL,
    site VARCHAR(63) NOT NULL DEFAULT '',
    account VARCHAR(256) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    connection_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, site, account)
);
COMMENT ON TABLE account_owner IS 'whose connection has an account of a provider';
CREATE INDEX idx_account_own_user_id ON account_owner (user_id);
CREATE TABLE revocation (
    id UUID NOT NULL PRIMARY KEY,
    connection_id UUID,
    ended_version INT NOT NULL,
    provider VARCHAR(63) NOT NULL,
    site VARCHAR(63) NOT NULL DEFAULT '',
    subject VARCHAR(32) NOT NULL,
    account_subject VARCHAR(32),
    material BYTEA,
    unsure BOOL NOT NULL DEFAULT false,
    status VARCHAR(16) NOT NULL,
    due_at TIMESTAMPTZ,
    owner VARCHAR(64),
    lease_until TIMESTAMPTZ,
    attempts INT NOT NULL DEFAULT 0,
    delivered_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE revocation IS 'ended grants that the provider is told about';
CREATE INDEX idx_revocation_connection ON revocation (connection_id, id);
CREATE INDEX idx_revocation_subject ON revocation (subject, provider);
CREATE INDEX idx_revocation_account ON revocation (account_subject, provider);
CREATE INDEX idx_revocation_due_at ON revocation (due_at) WHERE due_at IS NOT NULL;
ALTER TABLE connection ADD COLUMN due_at TIMESTAMPTZ;
CREATE INDEX idx_connection_due_at ON connection (due_at) WHERE due_at IS NOT NULL;
ALTER TABLE connection SET (fillfactor = 80);
CREATE INDEX idx_authorizatio_user_id ON authorization_request (user_id)"""
_SQLITE = """
CREATE TABLE account_owner (
    provider VARCHAR(63) NOT NULL,
    site VARCHAR(63) NOT NULL DEFAULT '',
    account VARCHAR(256) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    connection_id CHAR(36) NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (provider, site, account)
) /* whose connection has an account of a provider */;
CREATE INDEX idx_account_own_user_id ON account_owner (user_id);
CREATE TABLE revocation (
    id CHAR(36) NOT NULL PRIMARY KEY,
    connection_id CHAR(36),
    ended_version INT NOT NULL,
    provider VARCHAR(63) NOT NULL,
    site VARCHAR(63) NOT NULL DEFAULT '',
    subject VARCHAR(32) NOT NULL,
    account_subject VARCHAR(32),
    material BLOB,
    unsure INT NOT NULL DEFAULT 0,
    status VARCHAR(16) NOT NULL,
    due_at TIMESTAMP,
    owner VARCHAR(64),
    lease_until TIMESTAMP,
    attempts INT NOT NULL DEFAULT 0,
    delivered_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL
) /* ended grants that the provider is told about */;
CREATE INDEX idx_revocation_connection ON revocation (connection_id, id);
CREATE INDEX idx_revocation_subject ON revocation (subject, provider);
CREATE INDEX idx_revocation_account ON revocation (account_subject, provider);
CREATE INDEX idx_revocation_due_at ON revocation (due_at) WHERE due_at IS NOT NULL;
ALTER TABLE connection ADD COLUMN due_at TIMESTAMP;
CREATE INDEX idx_connection_due_at ON connection (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX idx_authorizatio_user_id ON authorization_request (user_id)"""


class Migration(migrations.Migration):
    dependencies = [("models", "0005_ended_request")]

    initial = False

    operations = [
        sql(postgres=f"{_POSTGRES};{_OWNERS}", sqlite=f"{_SQLITE};{_OWNERS}"),
        Told(
            ops.CreateModel(
                name="AccountOwner",
                fields=[
                    ("provider", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=63)),
                    ("site", fields.CharField(db_default="", max_length=63)),
                    ("account", fields.CharField(max_length=256)),
                    ("user_id", fields.CharField(db_index=True, max_length=255)),
                    ("connection_id", fields.UUIDField()),
                    ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ],
                options={
                    "table": "account_owner",
                    "app": "models",
                    "pk_attr": "provider",
                    "table_description": "whose connection has an account of a provider",
                },
                bases=["Model"],
            )
        ),
        Told(
            ops.CreateModel(
                name="Revocation",
                fields=[
                    ("id", fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True)),
                    ("connection_id", fields.UUIDField(null=True)),
                    ("ended_version", fields.IntField()),
                    ("provider", fields.CharField(max_length=63)),
                    ("site", fields.CharField(db_default="", max_length=63)),
                    ("subject", fields.CharField(max_length=32)),
                    ("account_subject", fields.CharField(null=True, max_length=32)),
                    ("material", fields.BinaryField(null=True)),
                    ("unsure", fields.BooleanField(db_default=False)),
                    ("status", fields.CharField(max_length=16)),
                    ("due_at", fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False)),
                    ("owner", fields.CharField(null=True, max_length=64)),
                    ("lease_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                    ("attempts", fields.IntField(db_default=0)),
                    ("delivered_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                    ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ],
                options={
                    "table": "revocation",
                    "app": "models",
                    "indexes": [
                        Index(fields=["connection_id", "id"]),
                        Index(fields=["subject", "provider"]),
                        Index(fields=["account_subject", "provider"]),
                    ],
                    "pk_attr": "id",
                    "table_description": "ended grants that the provider is told about",
                },
                bases=["Model"],
            )
        ),
        Told(
            ops.AddField(
                model_name="Connection",
                name="due_at",
                field=fields.DatetimeField(null=True, db_index=True, auto_now=False, auto_now_add=False),
            )
        ),
        Told(
            ops.AlterField(
                model_name="AuthorizationRequest",
                name="user_id",
                field=fields.CharField(db_index=True, max_length=255),
            )
        ),
        ops.AddField(
            model_name="AuthorizationRequest",
            name="site",
            field=fields.CharField(db_default="", max_length=63),
        ),
        ops.AddField(
            model_name="Connection",
            name="consent",
            field=fields.IntField(db_default=0),
        ),
        ops.AddField(
            model_name="Connection",
            name="epoch",
            field=fields.IntField(db_default=0),
        ),
        ops.AddField(
            model_name="Connection",
            name="failing_since",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Connection",
            name="failures",
            field=fields.IntField(db_default=0),
        ),
        ops.AddField(
            model_name="Connection",
            name="first_sent_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Connection",
            name="lease_until",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Connection",
            name="owner",
            field=fields.CharField(null=True, max_length=64),
        ),
        ops.AddField(
            model_name="Connection",
            name="pending_grant",
            field=fields.UUIDField(null=True),
        ),
        ops.AddField(
            model_name="Connection",
            name="refreshed_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Connection",
            name="refreshed_by",
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name="Connection",
            name="retry_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Connection",
            name="site",
            field=fields.CharField(db_default="", max_length=63),
        ),
        ops.AddField(
            model_name="Connection",
            name="status_reason",
            field=fields.CharField(null=True, max_length=32),
        ),
        ops.AddField(
            model_name="Connection",
            name="unsure",
            field=fields.IntField(db_default=0),
        ),
    ]
