"""An open database on each engine in turn, and a folder of another user."""

from __future__ import annotations

import asyncio
import codecs
import os
import tempfile
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from models.database import Database, open_database
from models.rights import EXPORT_RIGHTS, TABLE_RIGHTS
from tests.conftest import new_database
from tests.databases import ENGINES, create_migrated_file
from tests.models.rows import run

TABLES = sorted((TABLE_RIGHTS | EXPORT_RIGHTS).keys() - {"tortoise_migrations"})


@pytest.fixture(scope="session", params=ENGINES)
async def _opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Database]:
    database = await new_database(request, tmp_path_factory.mktemp("models"), request.param)
    async with open_database(database.url) as opened:
        yield opened


@pytest.fixture
async def database(_opened: Database) -> Database:
    """Migrated and without rows: the tests of statements share one, since they use it one after the other."""
    async with _opened.exclusively(1) as transaction:
        for table in TABLES:
            await run(transaction, f"DELETE FROM {table}")
    return _opened


@pytest.fixture
async def _loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another user may not be able to read the modules that are loaded on first use."""
    codecs.lookup("ascii")
    await _open(f"sqlite://{create_migrated_file(tmp_path_factory.mktemp('loaded') / 'tendon.db')}")


@pytest.fixture
def nobodys_folder(_loaded: None) -> Iterator[Path]:
    """The test runs as a user other than root, in a folder of that user."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as two users")
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, 65534, 65534)
        os.seteuid(65534)
        yield Path(name)
        os.seteuid(0)


async def _open(url: str) -> None:
    async with asyncio.timeout(60), open_database(url):
        pass
