"""The transaction that forgets a user, beside others that write about the same user."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from models.connection import StatusReason
from models.database import Database, Session
from models.disconnect import end_connection
from models.ended_request import move_ended
from models.erasure import (
    count_accounts,
    count_pending,
    delete_connections,
    delete_ended_requests,
    delete_requests,
    delete_subjects,
    erasing,
    lock_connections,
)
from models.ids import new_id
from models.revocation import Material, NewRevocation, seal_material
from models.token_refresh import take
from models.token_row import TokenRow, find_tokens
from tests.models.flows import USER, VAULT, add, begin, binding, connect, entry, grant, move_all, store
from tests.models.rows import run, value, waits_for_a_lock

TABLES = ("account_owner", "audit_subject", "authorization_request", "connection", "ended_request")

# SQLite lets nobody else write until the transaction ends.
between_statements = pytest.mark.parametrize("_opened", ["postgres"], indirect=True)


async def end(transaction: Session, row: TokenRow) -> bool:
    id_ = new_id()
    material = seal_material(VAULT, id_, Material("access", "refresh", row.user_id, row.account), row.provider)
    new = NewRevocation(id_, row.provider, row.site, "p-alice", None, material)
    return await end_connection(transaction, row, new, StatusReason.BY_SERVICE, entry(action="disconnect"))


async def erase(transaction: Session, user: str = USER) -> None:
    """All steps, in their order."""
    await delete_requests(transaction, user)
    await delete_ended_requests(transaction, user)
    for connection_id in await lock_connections(transaction, user):
        row = await find_tokens(transaction, connection_id)
        assert row is not None
        assert await end(transaction, row)
    await delete_connections(transaction, user)
    await delete_subjects(transaction, user)


async def forget(database: Database) -> None:
    async with erasing(database) as transaction:
        await erase(transaction)


async def left(database: Database, user: str = USER) -> dict[str, int]:
    """In how many rows of each table the user's id still is."""
    counted = {
        table: await value(database, f"SELECT count(*) FROM {table} WHERE user_id = '{user}'") for table in TABLES
    }
    return {table: count for table, count in counted.items() if count}


async def test_everything_of_the_user_goes_and_nothing_of_others(database: Database) -> None:
    await connect(database, binding("s1"), account="sam")
    await move_all(database)
    await connect(database, binding("s2", provider="fitbit"))
    await add(database, binding("s3", provider="whoop"))
    await connect(database, binding("s4", user="bob"), account="bea")
    assert await left(database) == {
        "account_owner": 1,
        "audit_subject": 1,
        "authorization_request": 2,
        "connection": 2,
        "ended_request": 1,
    }
    async with erasing(database) as transaction:
        assert await count_accounts(transaction, USER) == 1
        await erase(transaction)
        assert await count_pending(transaction, {"p-alice", "p-bob"}) == 2
    assert await left(database) == {}
    assert {"account_owner", "connection", "authorization_request"} <= (await left(database, "bob")).keys()


async def test_a_callback_that_is_in_progress_stores_nothing(database: Database) -> None:
    claimed = await begin(database)
    async with erasing(database) as transaction:
        await erase(transaction)
        storing = asyncio.create_task(store(database, await grant(database), claimed.version))
        await waits_for_a_lock(transaction, storing)
    assert await storing is None
    assert await left(database) == {}


@between_statements
async def test_a_connection_that_is_stored_at_the_same_moment_is_ended(database: Database) -> None:
    """Deleting the request waits for the statement that stores."""
    claimed = await begin(database)
    granted = await grant(database, account="sam")
    async with database.exclusively(7) as callback:
        assert await store(cast("Any", callback), granted, claimed.version)
        forgetting = asyncio.create_task(forget(database))
        await waits_for_a_lock(callback, forgetting)
    await forgetting
    assert await left(database) == {}
    assert await value(database, "SELECT count(*) FROM revocation WHERE status = 'pending'") == 1


@between_statements
async def test_a_request_that_is_moved_at_the_same_moment_is_found(database: Database) -> None:
    await connect(database)
    always = datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC)
    async with database.exclusively(7) as worker:
        assert await move_ended(cast("Any", worker), *always, 10)
        forgetting = asyncio.create_task(forget(database))
        await waits_for_a_lock(worker, forgetting)
    await forgetting
    assert await left(database) == {}


async def test_a_request_that_is_moved_afterwards_is_gone(database: Database) -> None:
    await connect(database)
    async with erasing(database) as transaction:
        await erase(transaction)
        moving = asyncio.create_task(move_all(database))
        # It skips what is locked.
        if transaction.dialect == "postgres":
            await moving
    await moving
    assert await left(database) == {}


@between_statements
async def test_one_who_begins_again_meanwhile_is_kept_whole(database: Database) -> None:
    """The whole flow falls between two steps: the new grant has no revocation, so it must not be deleted."""
    await connect(database, binding("s1"), account="old")
    async with erasing(database) as transaction:
        await delete_requests(transaction, USER)
        for connection_id in await lock_connections(transaction, USER):
            row = await find_tokens(transaction, connection_id)
            assert row is not None
            assert await end(transaction, row)
        await connect(database, binding("s2", provider="fitbit"), account="new")
        assert await delete_connections(transaction, USER) == 1
    assert await run(database, "SELECT provider, status FROM connection") == [("fitbit", "connected")]
    assert await run(database, "SELECT account FROM account_owner") == [("new",)]


@between_statements
async def test_one_who_begins_again_is_named_again(database: Database) -> None:
    """The new request waits for the end of the erasure, and then stores whom the pseudonym stands for."""
    await add(database)
    async with erasing(database) as transaction:
        await erase(transaction)
        beginning = asyncio.create_task(add(database, binding("s2")))
        await waits_for_a_lock(transaction, beginning)
    await beginning
    assert await left(database) == {"audit_subject": 1, "authorization_request": 1}


async def test_a_refresh_in_progress_is_waited_for_by_the_revocation(database: Database) -> None:
    row = await find_tokens(database, await connect(database))
    assert row is not None
    assert await take(database, row, "refresher", lease=30, quiet=60)
    await forget(database)
    assert await run(database, "SELECT unsure, due_at > created_at AS waits FROM revocation") == [(1, 1)]


async def test_an_account_that_a_deleted_connection_has_left_goes_too(database: Database) -> None:
    await connect(database, account="sam")
    await run(database, "DELETE FROM connection RETURNING id")
    await forget(database)
    assert await left(database) == {}


async def test_two_come_one_after_the_other(database: Database) -> None:
    await connect(database, account="sam")
    await asyncio.gather(*(forget(database) for _ in range(5)))
    assert await left(database) == {}
    assert await value(database, "SELECT count(*) FROM revocation") == 1
