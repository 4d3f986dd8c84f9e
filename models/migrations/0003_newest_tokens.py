from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("models", "0002_vault_key")]

    initial = False

    operations = [
        ops.AddField(model_name="Connection", name="version", field=fields.IntField(db_default=1)),
        ops.AddField(
            model_name="Connection",
            name="granted_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
