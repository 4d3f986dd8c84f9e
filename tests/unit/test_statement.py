"""Deeds of several statements: all of it or nothing, on both engines, whoever fails or leaves beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from suspended import run_and_cancel
from test_transactions import assert_usable, rows, write_two
from tortoise.transactions import in_transaction

from models.database import Database, Session, open_database
from models.migrating import migrate
from models.statement import Statement
from tests.databases import Database as Server

PATIENCE = 20
EVENT = """INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    SELECT now(), 'test', 'oura', '[]', 'ok', :name"""
# One more row for each name that is not there yet, and another that follows from it.
DEED = Statement(
    """
    INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, created_at, updated_at)
    VALUES (:id, :name, 'oura', 'connected', '[]', '[]', now(), after(:seconds))
    ON CONFLICT (user_id, provider) DO NOTHING RETURNING id, user_id""",
    """
    INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    SELECT now(), 'test', done.user_id, '[]', :outcome, :name FROM done""",
    f"{EVENT} FROM done",
)
# Statements that run only if a column of the row is true.
CONDITIONAL = Statement(
    """
    INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, created_at, updated_at)
    VALUES (:id, :name, 'oura', 'connected', '[]', '[]', now(), now())
    RETURNING user_id = 'alice' AS noticed, account = 'x' AS unknown""",
    f"{EVENT} FROM done WHERE done.noticed",
    f"{EVENT} FROM done WHERE done.unknown",
)
NOTE = Statement(EVENT)
FOUND = Statement("SELECT user_id FROM connection WHERE user_id = :name")


async def deed(session: Session, name: str, outcome: str | None = "ok") -> Any:
    return await DEED.row(session, id=str(uuid4()), name=name, seconds=1.5, outcome=outcome)


async def found(session: Session, name: str) -> tuple[bool, int]:
    """Whether there is a connection, and how many rows follow from it."""
    return await FOUND.row(session, name=name) is not None, await rows(name)


ALL, NOTHING = (True, 2), (False, 0)


@pytest.fixture
async def database(own_database: Server) -> AsyncGenerator[Database]:
    await migrate(own_database.url)
    async with open_database(own_database.url) as database:
        yield database


async def test_all_of_it(own_database: Server, database: Database) -> None:
    row = await deed(database, "alice")
    assert row[1] == "alice"
    assert await found(database, "alice") == ALL
    assert (
        await own_database.value("SELECT provider FROM audit_event WHERE request_id = 'alice' ORDER BY provider")
        == "alice"
    )


async def test_where_the_first_does_nothing_nothing_follows(database: Database) -> None:
    await deed(database, "alice")
    assert await deed(database, "alice") is None
    assert await found(database, "alice") == ALL


async def test_what_follows_only_where_the_row_says_so(database: Database) -> None:
    for name, expected in (("alice", 1), ("bob", 0)):
        assert await CONDITIONAL.row(database, id=str(uuid4()), name=name) is not None
        assert await rows(name) == expected


async def test_what_follows_fails(own_database: Server, database: Database) -> None:
    """A column that must have a value has none. That is a fault of ours and no outage."""
    with pytest.raises(Exception, match=r"(?i)not.null"):
        await deed(database, "alice", outcome=None)
    assert await found(database, "alice") == NOTHING
    await assert_usable(own_database.url)


async def test_only_the_one_that_fails_is_undone(database: Database) -> None:
    """Though all of them are asked for at once, and share what they can."""
    names = [f"user-{number}" for number in range(100)]
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(
            *(deed(database, name, None if name.endswith("7") else "ok") for name in names), return_exceptions=True
        )
    for name, answer in zip(names, answers, strict=True):
        assert isinstance(answer, Exception) == name.endswith("7")
        assert await found(database, name) == (NOTHING if name.endswith("7") else ALL)


async def test_told_when_it_is_committed(own_database: Server, database: Database) -> None:
    """Others see it by then: another connection of this process, and anybody outside."""

    async def see(name: str) -> None:
        await deed(database, name)
        assert await FOUND.row(database, name=name) is not None
        assert await own_database.value("SELECT count(*) FROM audit_event WHERE request_id = $1", name) == 2

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(see(f"user-{number}") for number in range(30)))


async def test_cancelled_wherever_it_waits(own_database: Server, database: Database) -> None:
    for place in count(1):
        name = f"at {place}"
        ended, suspensions = await run_and_cancel(deed(database, name), place)
        async with asyncio.timeout(PATIENCE):
            # Comes after what was asked for before.
            await NOTE.rows(database, name="afterwards")
            assert await found(database, name) in ([ALL] if ended else [ALL, NOTHING])
        await assert_usable(own_database.url)
        if suspensions < place:
            break


async def test_one_of_many_leaves(own_database: Server, database: Database) -> None:
    tasks = [asyncio.create_task(deed(database, f"user-{number}")) for number in range(40)]
    await asyncio.sleep(0)
    for task in tasks[::4]:
        task.cancel()
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True, False, False, False] * 10
    for number in range(40):
        assert await found(database, f"user-{number}") in ([ALL] if number % 4 else [ALL, NOTHING])
    await assert_usable(own_database.url)


async def test_in_a_transaction_of_the_orms(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await _do_and_fail("alice")
    assert await found(database, "alice") == NOTHING
    async with in_transaction() as client:
        session = Session(client)
        await deed(session, "alice")
        assert await FOUND.row(session, name="alice") is not None
    assert await found(database, "alice") == ALL


async def _do_and_fail(name: str) -> None:
    async with in_transaction() as client:
        await deed(Session(client), name)
        raise ZeroDivisionError


async def test_beside_transactions_of_the_orms(database: Database) -> None:
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(
            *(deed(database, f"user-{number}") for number in range(20)),
            *(write_two(f"orm-{number}") for number in range(20)),
        )
    for number in range(20):
        assert (await found(database, f"user-{number}"), await rows(f"orm-{number}")) == (ALL, 2)
