"""The resolvers on a migrated database of each engine, empty for each test."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing

import asyncpg
import pytest

from models.database import open_database
from tests.conftest import new_database
from tests.databases import ENGINES, Database, SqliteFile, create_migrated_file
from tests.loop_clock import LoopClock, held_clock
from tests.resolvers.trail import Trail
from tests.resolvers.world import World, open_world

_TABLES = (
    *("account_owner", "audit_event", "audit_key", "audit_subject", "authorization_request", "connection"),
    *("ended_request", "revocation", "vault_key"),
)
_EMPTY = "; ".join(f"DELETE FROM {table}" for table in _TABLES)


async def _empty(database: Database) -> None:
    """In one transaction, which costs a test least."""
    if isinstance(database, SqliteFile):
        with closing(sqlite3.connect(database.path)) as session:
            session.executescript(f"BEGIN; {_EMPTY}; COMMIT")
    else:
        session = await asyncpg.connect(database.url)
        await session.execute(_EMPTY)
        await session.close()


@pytest.fixture(scope="session", params=ENGINES)
async def migrated_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    return await new_database(request, tmp_path_factory.mktemp("resolvers"), request.param)


@pytest.fixture
async def world(migrated_database: Database) -> AsyncGenerator[World]:
    """On each engine in turn."""
    await _empty(migrated_database)
    async with open_database(migrated_database.url) as database, open_world(database, migrated_database) as world:
        yield world


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return SqliteFile(create_migrated_file(tmp_path_factory.mktemp("resolvers") / "tendon.db"))


@pytest.fixture
async def any_world(migrated_file: Database) -> AsyncGenerator[World]:
    """On one engine, for what does not depend on it."""
    await _empty(migrated_file)
    async with open_database(migrated_file.url) as database, open_world(database, migrated_file) as world:
        yield world


@pytest.fixture
async def clock() -> AsyncGenerator[LoopClock]:
    """The loop's clock, for what uses no database."""
    with held_clock() as clock:
        yield clock


@pytest.fixture
async def trail() -> Trail:
    return Trail()
