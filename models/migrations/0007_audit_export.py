from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from models.raw_migration import Told, sql

# By the user, all pseudonyms are found.
_INDEX = "CREATE INDEX idx_audit_subje_user_id ON audit_subject (user_id)"


class Migration(migrations.Migration):
    dependencies = [("models", "0006_connection_life")]

    initial = False

    operations = [
        ops.CreateModel(
            name="AuditExport",
            fields=[
                ("number", fields.IntField(generated=False, primary_key=True, unique=True, db_index=True)),
                ("last_id", fields.BigIntField()),
                ("lines", fields.BigIntField()),
                ("digest", fields.CharField(max_length=64)),
                ("exported_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "audit_export",
                "app": "models",
                "pk_attr": "number",
                "table_description": "how far the audit trail was exported",
            },
            bases=["Model"],
        ),
        sql(postgres=_INDEX, sqlite=_INDEX),
        Told(
            ops.AlterField(
                model_name="AuditSubject",
                name="user_id",
                field=fields.CharField(db_index=True, max_length=255),
            )
        ),
    ]
