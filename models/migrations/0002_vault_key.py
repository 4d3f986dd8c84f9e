from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("models", "0001_initial")]

    initial = False

    operations = [
        ops.CreateModel(
            name="VaultKey",
            fields=[
                ("key_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=32)),
                ("check", fields.BinaryField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "vault_key",
                "app": "models",
                "pk_attr": "key_id",
                "table_description": "keys that sealed something here",
            },
            bases=["Model"],
        ),
    ]
