"""The descriptions of the tables: migrations make exactly these tables, and only migrations load the ORM."""

from __future__ import annotations

from pathlib import Path

import pytest
from tortoise.migrations.autodetector import MigrationAutodetector

from models.migrating import APPS, migrate
from tests.conftest import new_database
from tests.databases import Database
from tests.orm import orm_of
from tests.tables import tables


async def test_the_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    """What `make migrations` would write: nothing."""
    async with orm_of(f"sqlite://{tmp_path}/tendon.db") as orm:
        assert orm.apps is not None
        changes = await MigrationAutodetector(orm.apps, APPS).changes()
    assert [change.operations for change in changes] == []


async def test_migrated_tables_are_those_of_the_models(
    empty_database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Column by column and index by index, as the database itself has them."""
    await migrate(empty_database.url)
    (tmp_path / "generated").mkdir()
    fresh = await new_database(request, tmp_path / "generated", empty_database.engine, migrated=False)
    async with orm_of(fresh.url) as orm:
        await orm.generate_schemas()
        assert orm.apps is not None
        described = list(orm.apps["models"].values())
    migrated, generated = await tables(empty_database), await tables(fresh)
    assert migrated.keys() - generated.keys() == {"tortoise_migrations"}
    for model in described:
        # The ORM generates keys of a single column.
        if key := getattr(model, "PRIMARY_KEY", None):
            name = model._meta.db_table
            generated[name] = generated[name].with_key(key)
    assert {table: migrated[table] for table in generated} == generated
