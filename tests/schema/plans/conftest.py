"""A world for each test, on both engines."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.databases import Database
from tests.sandbox_control import Sandbox
from tests.schema.plans.world import World, open_world


@pytest.fixture
async def world(own_database: Database, sandbox: Sandbox, settings: dict[str, str]) -> AsyncGenerator[World]:
    async with open_world(own_database.url, sandbox, settings) as opened:
        yield opened
