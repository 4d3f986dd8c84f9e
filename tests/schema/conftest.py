"""Nothing that is tested here needs more than one engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from models.database import Database, open_database
from tests.databases import create_migrated_file
from tests.processes import Process
from tests.schema import execution_context


@pytest.fixture(scope="session")
def gateway(any_gateway: Process) -> Process:
    return any_gateway


@pytest.fixture(scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Database]:
    """The one that the operations of a module's tests use."""
    file = create_migrated_file(tmp_path_factory.mktemp("database") / "tendon.db")
    async with open_database(f"sqlite://{file}") as database:
        execution_context.resources = resources = execution_context.open_resources(database)
        yield database
        await resources.repeats.close()
