import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

# Existing rows contain user ids, and a migration has no vault key to make pseudonyms with. So they are kept without
# their users, in a new table: the values of a dropped column would remain in the file.
_KEEP = """
CREATE TABLE audit_event_kept AS
SELECT id, at, client_id, action, provider, scopes, outcome, request_id FROM audit_event"""
_BRING_BACK = """
INSERT INTO audit_event (at, client_id, action, provider, scopes, outcome, request_id)
SELECT at, client_id, action, provider, scopes, outcome, request_id FROM audit_event_kept ORDER BY id"""


class Migration(migrations.Migration):
    dependencies = [("models", "0003_newest_tokens")]

    initial = False

    operations = [
        ops.RunSQL(_KEEP),
        ops.DeleteModel(name="AuditEvent"),
        ops.CreateModel(
            name="AuditEvent",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("count", fields.IntField(db_default=1)),
                ("actor", fields.CharField(null=True, max_length=32)),
                ("client_id", fields.CharField(null=True, max_length=255)),
                ("subject", fields.CharField(null=True, max_length=32)),
                ("action", fields.CharField(max_length=32)),
                ("provider", fields.CharField(null=True, max_length=63)),
                ("connection_id", fields.UUIDField(null=True)),
                ("scopes", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("outcome", fields.CharField(max_length=64)),
                ("request_id", fields.CharField(max_length=64)),
            ],
            options={
                "table": "audit_event",
                "app": "models",
                "indexes": [Index(fields=["subject", "id"])],
                "pk_attr": "id",
                "table_description": "who did what",
            },
            bases=["Model"],
        ),
        ops.RunSQL(_BRING_BACK),
        ops.RunSQL("DROP TABLE audit_event_kept"),
        ops.CreateModel(
            name="AuditSubject",
            fields=[
                ("pseudonym", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=32)),
                ("user_id", fields.CharField(max_length=255)),
            ],
            options={
                "table": "audit_subject",
                "app": "models",
                "pk_attr": "pseudonym",
                "table_description": "whom the pseudonyms of the audit trail stand for",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="AuditKey",
            fields=[
                ("number", fields.IntField(generated=False, primary_key=True, unique=True, db_index=True)),
                ("sealed", fields.BinaryField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "audit_key",
                "app": "models",
                "pk_attr": "number",
                "table_description": "the sealed keys of the pseudonyms in the audit trail",
            },
            bases=["Model"],
        ),
        ops.AddField(model_name="Connection", name="former_account", field=fields.CharField(null=True, max_length=256)),
        ops.AddIndex(model_name="Connection", index=Index(fields=["account", "provider"])),
    ]
