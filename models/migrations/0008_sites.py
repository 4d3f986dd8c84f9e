from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import UniqueConstraint

from models.raw_migration import Told, sql

# The new key is made before the old one goes, so that requests only read meanwhile and wait no longer than that.
_POSTGRES = """
CREATE UNIQUE INDEX uid_connection_site ON connection (user_id, provider, site);
ALTER TABLE connection DROP CONSTRAINT uid_connection_user_id_498e7b;
ALTER TABLE connection ADD CONSTRAINT uid_connection_site UNIQUE USING INDEX uid_connection_site"""
# SQLite changes no constraint of a table, so there is a new one.
_COLUMNS = """id, user_id, provider, status, account, former_account, requested_scopes, granted_scopes, access_token,
    refresh_token, expires_at, last_sync_at, version, granted_at, site, status_reason, consent, owner, lease_until, epoch,
    unsure, first_sent_at, refreshed_by, refreshed_at, retry_at, failures, failing_since, due_at, pending_grant, created_at,
    updated_at"""
_SQLITE = f"""
CREATE TABLE connection_new (
    id CHAR(36) NOT NULL PRIMARY KEY,
    user_id VARCHAR(255) NOT NULL,
    provider VARCHAR(63) NOT NULL,
    status VARCHAR(16) NOT NULL,
    account VARCHAR(256),
    former_account VARCHAR(256),
    requested_scopes JSON NOT NULL,
    granted_scopes JSON NOT NULL,
    access_token BLOB,
    refresh_token BLOB,
    expires_at TIMESTAMP,
    last_sync_at TIMESTAMP,
    version INT NOT NULL DEFAULT 1,
    granted_at TIMESTAMP,
    site VARCHAR(63) NOT NULL DEFAULT '',
    status_reason VARCHAR(32),
    consent INT NOT NULL DEFAULT 0,
    owner VARCHAR(64),
    lease_until TIMESTAMP,
    epoch INT NOT NULL DEFAULT 0,
    unsure INT NOT NULL DEFAULT 0,
    first_sent_at TIMESTAMP,
    refreshed_by INT,
    refreshed_at TIMESTAMP,
    retry_at TIMESTAMP,
    failures INT NOT NULL DEFAULT 0,
    failing_since TIMESTAMP,
    due_at TIMESTAMP,
    pending_grant CHAR(36),
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    CONSTRAINT uid_connection_site UNIQUE (user_id, provider, site)
) /* users linked to providers */;
INSERT INTO connection_new ({_COLUMNS}) SELECT {_COLUMNS} FROM connection;
DROP TABLE connection;
ALTER TABLE connection_new RENAME TO connection;
CREATE INDEX idx_connection_account_ceeeb9 ON connection (account, provider);
CREATE INDEX idx_connection_due_at ON connection (due_at) WHERE due_at IS NOT NULL"""  # noqa: S608 - all of it is ours


class Migration(migrations.Migration):
    dependencies = [("models", "0007_audit_export")]

    initial = False

    operations = [
        sql(postgres=_POSTGRES, sqlite=_SQLITE),
        Told(ops.RemoveConstraint(model_name="Connection", fields=["user_id", "provider"])),
        Told(
            ops.AddConstraint(
                model_name="Connection", constraint=UniqueConstraint(fields=("user_id", "provider", "site"))
            )
        ),
    ]
