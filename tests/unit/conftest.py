"""A database for the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import execution_context
import pytest

from models.database import Database, open_database
from models.migrating import migrate


@pytest.fixture(scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Database]:
    url = f"sqlite://{tmp_path_factory.mktemp('database')}/tendon.db"
    await migrate(url)
    async with open_database(url) as database:
        execution_context.database = database
        yield database
