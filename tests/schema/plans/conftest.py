"""A world for each module, on both engines."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.conftest import new_database
from tests.databases import ENGINES, Database
from tests.sandbox_control import Sandbox
from tests.schema.plans.world import World, open_world


@pytest.fixture(scope="module", params=ENGINES)
async def world_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """The one that `world` uses."""
    return await new_database(request, tmp_path_factory.mktemp("world"), request.param)


@pytest.fixture(scope="module")
async def world(world_database: Database, sandbox: Sandbox, settings: dict[str, str]) -> AsyncGenerator[World]:
    async with open_world(world_database.url, sandbox, settings) as opened:
        yield opened
