"""A key is dropped only when nothing is sealed with it, and no process that seals with it objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

import tests.databases
from models.database import Database, open_database
from models.vault_key import SETTLED, VaultKeys, read_records
from resolvers.key_dropping import NotDropped, drop_key
from tests.models.rows import run
from tests.models.sealed_rows import Clock, vault
from tests.resolvers.conftest import _empty
from tests.resolvers.failing_database import FailingDatabase
from tests.sealed_values import add_connections, add_request

RECORDED = "SELECT key_id FROM vault_key ORDER BY key_id"


@pytest.fixture
async def database(migrated_database: tests.databases.Database) -> AsyncGenerator[Database]:
    """In which both keys have been recorded long ago."""
    await _empty(migrated_database)
    async with open_database(migrated_database.url) as database:
        await run(database, "DELETE FROM revocation")
        await ours(database, "k1").check_active()
        await ours(database, "k2", "k1").check_active()
        await run(database, "UPDATE vault_key SET created_at = after(:seconds)", seconds=-1000)
        yield database


def ours(database: Database, *ids: str) -> VaultKeys:
    return VaultKeys(vault(*ids), database)


async def let_time_pass(database: Database, seconds: float = SETTLED) -> None:
    """For the marks of keys."""
    for record in await read_records(database):
        if record.marked_at:
            earlier = record.marked_at - timedelta(seconds=seconds)
            check = record.check.replace(record.marked_at.isoformat().encode(), earlier.isoformat().encode())
            text = 'UPDATE vault_key SET "check" = :check WHERE key_id = :key_id'
            await run(database, text, check=check, key_id=record.key_id)


async def drop(database: Database, key_id: str = "k1", *ids: str, seconds: float = SETTLED) -> bool:
    """Time passes as soon as it is waited for."""
    passing: list[asyncio.Task[None]] = []

    def on_wait(_: float) -> None:
        passing.append(asyncio.create_task(let_time_pass(database, seconds)))

    return await drop_key(database, ours(database, *(ids or ("k2", "k1"))), key_id, on_wait)


async def test_a_key_that_nothing_is_sealed_with(database: Database) -> None:
    assert await drop(database)
    assert await run(database, RECORDED) == [("k2",)]
    assert await ours(database, "k2").unusable() == []
    # And again, and again without it.
    assert not await drop(database)
    with pytest.raises(NotDropped, match="there is no key k1, neither"):
        await drop(database, "k1", "k2")


async def test_a_key_that_is_not_there_any_more_is_dropped(database: Database) -> None:
    assert await drop(database, "k1", "k2")
    assert await run(database, RECORDED) == [("k2",)]


async def test_the_active_key(database: Database) -> None:
    with pytest.raises(NotDropped, match=r"^k2 is the active key here: "):
        await drop(database, "k2")
    assert await run(database, RECORDED) == [("k1",), ("k2",)]


async def test_a_key_that_sealed_something(database: Database) -> None:
    await add_connections(database, vault("k1"), 1, 2)
    await add_request(database, vault("k1"), 1)
    before = await run(database, "SELECT * FROM vault_key ORDER BY key_id")
    told = r"^values are encrypted under k1 \(connection: 4, authorization_request: 1\): run `tendon keys reseal`$"
    with pytest.raises(NotDropped, match=told):
        await drop(database)
    assert await run(database, "SELECT * FROM vault_key ORDER BY key_id") == before


async def test_a_value_that_comes_while_it_waits(database: Database) -> None:
    before = await run(database, "SELECT * FROM vault_key ORDER BY key_id")
    slow = FailingDatabase(database)
    slow.delay("UPDATE vault_key", lambda: add_request(database, vault("k1"), 1))
    with pytest.raises(NotDropped, match=r"^values are encrypted under k1 \(authorization_request: 1\): put another"):
        await drop(slow)
    # The mark is taken back.
    assert await run(database, "SELECT * FROM vault_key ORDER BY key_id") == before


@pytest.mark.parametrize("objects", ["check_active", "watch"])
async def test_a_process_that_still_seals_with_it_objects(database: Database, objects: str) -> None:
    """Whether it has something to seal or is only asked whether it is ready. It goes on sealing."""
    clock = Clock()
    other = VaultKeys(vault("k1", "k2"), database, clock=clock)
    await other.check_active()
    # It relies on what it has read, but not for longer than the other one waits.
    clock.now += 61
    slow = FailingDatabase(database)
    slow.delay("UPDATE vault_key", getattr(other, objects))
    with pytest.raises(NotDropped, match=r"^a process still encrypts under k1: put another key in front of it"):
        await drop(slow)
    assert await run(database, RECORDED) == [("k1",), ("k2",)]
    await other.check_active()
    assert await other.watch() == []


async def test_a_process_that_only_opens_with_it_does_not_object(database: Database) -> None:
    other = ours(database, "k2", "k1")
    slow = FailingDatabase(database)
    slow.delay("UPDATE vault_key", other.watch)
    assert await drop(slow)


async def test_a_marked_record_makes_no_process_unready(database: Database) -> None:
    slow = FailingDatabase(database)

    async def look() -> None:
        for ids in (("k2",), ("k2", "k1"), ("k1", "k2")):
            assert await ours(database, *ids).unusable() == []
        # But values would.
        await add_request(database, vault("k1"), 1)
        assert await ours(database, "k2").unusable() == ["k1"]
        assert await ours(database, "k2", "k1").unusable() == []
        await run(database, "DELETE FROM authorization_request")

    slow.delay("UPDATE vault_key", look)
    assert await drop(slow)


async def test_one_that_was_ended_while_it_waited_goes_on(database: Database) -> None:
    waits: list[float] = []

    async def wait_for_ever() -> None:
        await drop_key(database, ours(database, "k2", "k1"), "k1", waits.append)

    first = asyncio.create_task(wait_for_ever())
    while not waits:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    first.cancel()
    assert 179 < waits[0] <= 180
    await let_time_pass(database, 100)
    waits.clear()
    second = asyncio.create_task(wait_for_ever())
    while not waits:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert 70 < waits[0] <= 80
    await let_time_pass(database)
    await second
    assert await run(database, RECORDED) == [("k2",)]


async def test_two_at_once(database: Database) -> None:
    assert await asyncio.gather(drop(database), drop(database)) == [True, True]
    assert await run(database, RECORDED) == [("k2",)]


async def test_a_key_that_was_recorded_at_the_last_moment(database: Database) -> None:
    slow = FailingDatabase(database)
    other = ours(database, "k1", "k2")
    # The last of the tables that are searched for the second time.
    slow.delay("FROM audit_key", _nothing)
    slow.delay("FROM audit_key", other.check_active)
    with pytest.raises(NotDropped, match=r"^a process still encrypts under k1: "):
        await drop(slow)
    assert await run(database, RECORDED) == [("k1",), ("k2",)]


async def _nothing() -> None:
    """Is done."""
