"""The database's clock is another than this process's: its time says when tokens expire."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from models.connection import StoredConnection
from models.database import open_database
from tests.conftest import new_database
from tests.resolvers.tokens.services import issue, row_of
from tests.resolvers.world import World, open_world

# Seconds.
LIFETIME = 600
PATIENCE = 60


@pytest.fixture(params=["-1 hour", "1 hour"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[World]:
    """On PostgreSQL, where a schema that is searched first has a clock of its own. SQLite has the process's clock."""
    own = await new_database(request, tmp_path, "postgres")
    await own.fetch("CREATE SCHEMA wrong")
    await own.fetch(f"""
        CREATE FUNCTION wrong.now() RETURNS timestamptz LANGUAGE sql STABLE
        AS $$ SELECT pg_catalog.now() + interval '{request.param}' $$""")
    name = await own.value("SELECT current_database()")
    await own.fetch(f'ALTER DATABASE "{name}" SET search_path = wrong, public, pg_catalog')
    async with open_database(own.url) as database, open_world(database, own) as world:
        world.provider.tokens = {"expires_in": LIFETIME}
        yield world


async def seconds_left(world: World, connection: StoredConnection) -> float:
    row = await row_of(world, connection)
    assert row.expires_at is not None
    return (row.expires_at - row.read_at).total_seconds()


async def test_tokens_of_a_callback(world: World) -> None:
    connection = await world.connect("alice")
    assert LIFETIME - PATIENCE < await seconds_left(world, connection) <= LIFETIME
    await issue(world, connection)
    assert len(world.provider.asked()) == 1


async def test_tokens_of_a_refresh(world: World) -> None:
    connection = await world.connect("alice")
    await world.outside.fetch("UPDATE connection SET expires_at = now()")
    await issue(world, connection)
    assert len(world.provider.asked()) == 2
    assert LIFETIME - PATIENCE < await seconds_left(world, connection) <= LIFETIME


async def test_when_a_connection_without_refresh_token_ends(world: World) -> None:
    world.provider.tokens |= {"refresh_token": None}
    connection = await world.connect("alice")
    row = await row_of(world, connection)
    assert row.due_at is not None
    assert LIFETIME - PATIENCE < (row.due_at - row.read_at).total_seconds() <= LIFETIME
