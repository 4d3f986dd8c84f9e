"""Statements that a connection to PostgreSQL keeps prepared, and what makes it prepare them anew."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

import asyncpg
import pytest

from models.database import Database, DatabaseDown, Limits, Session, open_database
from models.engine import Script, Step
from models.engine.postgres import PostgresTransaction
from tests.models.engine.promises import sql
from tests.postgres import PostgresServer

LOCK: Final = 7
ADD: Final = "INSERT INTO note (name) VALUES ($1) RETURNING *"
COUNT: Final = "SELECT count(*) FROM note"
PREPARED: Final = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT%'"


@pytest.fixture
async def url(postgres: PostgresServer) -> str:
    url = await postgres.create()
    await _change(url, "CREATE TABLE note (name text)")
    return url


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    async with open_database(url, Limits(connections=1)) as database:
        yield database


async def _change(url: str, text: str) -> None:
    session = await asyncpg.connect(url)
    await session.execute(text)
    await session.close()


async def add(session: Session, name: str) -> list[Any]:
    (row,) = await session.run(Script((Step(ADD, ("name",)),), writes=True), {"name": name})
    return list(row)


async def one(session: Session, text: str) -> Any:
    (row,) = await sql(session, text)
    return row[0]


async def test_a_statement_is_prepared_once(database: Database) -> None:
    for name in "abc":
        assert await add(database, name) == [name]
    assert await one(database, PREPARED) == 1


async def test_the_schema_has_changed_since_a_statement_was_prepared(url: str, database: Database) -> None:
    for name in "ab":
        assert await add(database, name) == [name]
    await _change(url, "ALTER TABLE note ADD COLUMN size int NOT NULL DEFAULT 7")
    for name in "cde":
        assert await add(database, name) == [name, 7]
    assert await one(database, COUNT) == 5


async def test_the_schema_has_changed_before_a_transaction(url: str, database: Database) -> None:
    """The server has ended it, so it can't be tried again at once."""
    await add(database, "a")
    await _change(url, "ALTER TABLE note ADD COLUMN size int NOT NULL DEFAULT 7")
    with pytest.raises(DatabaseDown, match=r"^InvalidCachedStatementError 0A000$") as raised:
        async with database.exclusively(LOCK) as transaction:
            await add(transaction, "b")
    assert not raised.value.in_doubt
    async with database.exclusively(LOCK) as transaction:
        assert await add(transaction, "c") == ["c", 7]
    assert await add(database, "d") == ["d", 7]
    assert await one(database, COUNT) == 3


async def test_a_statement_that_the_driver_has_dropped_is_prepared_anew(database: Database) -> None:
    """asyncpg drops each after five minutes."""
    await add(database, "a")
    async with database.exclusively(LOCK) as transaction:
        assert isinstance(transaction, PostgresTransaction)
        await transaction.connection.reload_schema_state()
    for name in "bc":
        assert await add(database, name) == [name]
    assert await one(database, PREPARED) == 1


async def test_long_statements_are_not_confused(database: Database) -> None:
    """By default, asyncpg gives those of more than 15 KiB no names of their own."""
    texts = {number: f"SELECT {number} -- {'x' * 20_000}" for number in range(3)}
    for _ in range(3):
        assert [await one(database, text) for text in texts.values()] == list(texts)
