"""A database for the tests of a module. One that opens its own can't use it: a process has one at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from models.database import opened
from models.migrating import migrate


@pytest.fixture(scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[None]:
    url = f"sqlite://{tmp_path_factory.mktemp('database')}/tendon.db"
    await migrate(url)
    async with opened(url):
        yield
