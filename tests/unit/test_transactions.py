"""Transactions, cancelled wherever it waits, or on a full disk: all or nothing, and nothing stays taken."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from suspended import run_and_cancel
from tortoise.connection import get_connections
from tortoise.transactions import in_transaction

from models.audit_event import AuditEvent
from models.database import DatabaseDown, Limits, open_database
from models.migrating import migrate
from tests.databases import Database

# Far above what a statement takes. Who waits that long waits for ever.
PATIENCE = 5


@pytest.fixture
async def url(own_database: Database) -> str:
    await migrate(own_database.url)
    return own_database.url


@pytest.fixture
async def file_url(tmp_path: Path) -> str:
    url = f"sqlite://{tmp_path}/tendon.db"
    await migrate(url)
    return url


async def write(name: str) -> None:
    await AuditEvent.create(
        at=datetime.now(UTC), action="test", provider="oura", scopes=[], outcome="ok", request_id=name
    )


async def write_two(name: str) -> None:
    async with in_transaction():
        await write(name)
        await write(name)


async def rows(name: str) -> int:
    return await AuditEvent.filter(request_id=name).count()


async def assert_usable(url: str) -> None:
    """By this process and by any other."""
    async with asyncio.timeout(PATIENCE):
        await write_two("afterwards")
    if url.startswith("postgres"):
        assert_none_is_taken()
        return
    with closing(sqlite3.connect(url.removeprefix("sqlite://"), isolation_level=None, timeout=0)) as outside:
        outside.execute("BEGIN IMMEDIATE")
        outside.execute("ROLLBACK")


def assert_none_is_taken() -> None:
    """Every connection of the pool is there again, in no transaction."""
    client: Any = get_connections().get("default")
    pool = client.pool
    assert pool.places == Limits().connections
    assert not any(connection.is_in_transaction() for connection in pool.idle)


async def test_all_or_nothing(url: str) -> None:
    async with open_database(url):
        await write_two("both")
        with pytest.raises(ZeroDivisionError):
            await _write_and_fail("neither")
        assert (await rows("both"), await rows("neither")) == (2, 0)
        await assert_usable(url)


async def _write_and_fail(name: str) -> None:
    async with in_transaction():
        await write(name)
        raise ZeroDivisionError


async def test_cancelled_wherever_it_waits(url: str) -> None:
    async with open_database(url):
        for place in count(1):
            ended, suspensions = await run_and_cancel(write_two(f"at {place}"), place)
            async with asyncio.timeout(PATIENCE):
                assert await rows(f"at {place}") in ({2} if ended else {0, 2})
            await assert_usable(url)
            if suspensions < place:
                # Begin, two statements and the end: fewer would mean that it was never cancelled in between.
                assert suspensions >= 4
                break


async def test_cancelled_twice(url: str) -> None:
    """Once in the work, once more in the roll-back."""
    async with open_database(url):
        _, suspensions = await run_and_cancel(write_two("undisturbed"))
        for first in range(1, suspensions + 1):
            for second in range(first + 1, suspensions + 3):
                name = f"at {first} and {second}"
                await run_and_cancel(write_two(name), first, second)
                async with asyncio.timeout(PATIENCE):
                    assert await rows(name) in (0, 2)
        await assert_usable(url)


async def test_cancelled_while_another_holds_the_connection(url: str) -> None:
    async with open_database(url):
        for place in count(1):
            inside, leave = asyncio.Event(), asyncio.Event()
            holder = asyncio.create_task(_hold(f"holder {place}", inside, leave))
            await inside.wait()
            waiting = asyncio.create_task(run_and_cancel(write_two(f"at {place}"), place))
            for _ in range(5):
                # Time enough to get as far as waiting for the connection.
                await asyncio.sleep(0)
            leave.set()
            ended, suspensions = await waiting
            await holder
            async with asyncio.timeout(PATIENCE):
                assert await rows(f"holder {place}") == 2
                assert await rows(f"at {place}") in ({2} if ended else {0, 2})
            await assert_usable(url)
            if suspensions < place:
                break


async def _hold(name: str, inside: asyncio.Event, leave: asyncio.Event) -> None:
    async with in_transaction():
        await write(name)
        inside.set()
        await leave.wait()
        await write(name)


async def test_cancelled_in_the_first_use_of_a_database(url: str) -> None:
    """Connecting is a part of it: Tortoise connects when first asked."""
    for place in count(1):
        async with open_database(url):
            ended, suspensions = await run_and_cancel(write_two(f"at {place}"), place)
            async with asyncio.timeout(PATIENCE):
                assert await rows(f"at {place}") in ({2} if ended else {0, 2})
            await assert_usable(url)
        if suspensions < place:
            break


async def test_a_cancelled_statement_outside_a_transaction(url: str) -> None:
    async with open_database(url):
        for place in count(1):
            _, suspensions = await run_and_cancel(write(f"at {place}"), place)
            await assert_usable(url)
            if suspensions < place:
                break


async def test_transactions_of_one_process_take_turns(url: str) -> None:
    async with open_database(url):
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(write_two(f"task {number}") for number in range(50)))
        assert await AuditEvent.all().count() == 100


async def test_a_lock_that_is_not_to_be_had_is_the_database_being_down(file_url: str) -> None:
    async with open_database(file_url, Limits(seconds=0.1)):
        with closing(sqlite3.connect(file_url.removeprefix("sqlite://"), isolation_level=None)) as outside:
            outside.execute("BEGIN IMMEDIATE")
            for attempt in (write("alone"), write_two("together")):
                with pytest.raises(DatabaseDown, match="SQLITE_BUSY"):
                    await attempt
        await assert_usable(file_url)


async def test_what_was_read_first_can_be_written(file_url: str) -> None:
    """SQLite turns such a transaction away when another wrote in between, so here none can."""
    async with open_database(file_url):
        async with in_transaction():
            await rows("read first")
            with (
                closing(
                    sqlite3.connect(file_url.removeprefix("sqlite://"), isolation_level=None, timeout=0)
                ) as outside,
                pytest.raises(sqlite3.OperationalError, match="locked"),
            ):
                outside.execute("CREATE TABLE written_in_between (x)")
            await write("then write")
        assert await rows("then write") == 1


FULL_DISK = """
import asyncio, resource, sys
from datetime import UTC, datetime
from models.audit_event import AuditEvent
from models.database import DatabaseDown, open_database
from tortoise.transactions import in_transaction

async def write(size):
    await AuditEvent.create(at=datetime.now(UTC), action="test", provider="oura", scopes=["x" * size], outcome="ok",
                            request_id="full")

async def main(url):
    async with open_database(url):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
        try:
            async with in_transaction():
                await write(200_000)
                print("reached the commit")
        except DatabaseDown as fault:
            print(fault)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        async with asyncio.timeout(5), in_transaction():
            await write(1)
        print(await AuditEvent.all().count())

asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_at_the_commit(tmp_path: Path) -> None:
    """It is the database being down, nothing is half written, and it works again when there is room."""
    url = f"sqlite://{tmp_path}/tendon.db"
    asyncio.run(migrate(url))
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == ["reached the commit", "SQLITE_IOERR_WRITE", "1"], done.stderr
