"""Which migrations a database lacks."""

from __future__ import annotations

import asyncpg
import pytest

from models.database import DatabaseDown, open_database
from models.pending import pending_migrations
from tests.databases import Database as Server

ALL = ["0001_initial", "0002_vault_key", "0003_newest_tokens", "0004_pseudonyms"]


async def test_those_that_were_not_applied_in_their_order(own_database: Server) -> None:
    async with open_database(own_database.url) as database:
        assert await pending_migrations(database) == []
        for count in range(1, len(ALL) + 1):
            await own_database.fetch("DELETE FROM tortoise_migrations WHERE name = $1", ALL[-count])
            assert await pending_migrations(database) == ALL[-count:]
        # One of another app.
        text = "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('other', $1, '2026-01-01 00:00+00')"
        await own_database.fetch(text, ALL[0])
        assert await pending_migrations(database) == ALL


async def test_an_outage_is_not_a_missing_table(own_database: Server) -> None:
    async with open_database(own_database.url) as closed:
        pass
    with pytest.raises(DatabaseDown):
        await pending_migrations(closed)


async def test_a_table_that_may_not_be_read_is_no_missing_table(own_database: Server) -> None:
    if own_database.engine == "sqlite":
        pytest.skip("has no rights")
    session = await asyncpg.connect(own_database.url)
    await session.execute("CREATE ROLE pending_reader LOGIN")
    await session.close()
    async with open_database(own_database.url.replace("tendon@", "pending_reader@")) as database:
        with pytest.raises(DatabaseDown, match="42501"):
            await pending_migrations(database)
