"""What both engines promise, one test for each promise. Each runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from itertools import count as numbers
from time import monotonic
from types import NoneType
from typing import Any
from uuid import UUID, uuid4

import pytest

from models.database import Database as OpenDatabase
from models.database import DatabaseDown, Limits, open_database
from models.engine import Violation
from models.statement import Statement
from tests.conftest import new_database
from tests.databases import ENGINES, Database
from tests.models.engine.promises import (
    ALL,
    CONDITIONAL,
    COUNT,
    NOTHING,
    OWNED,
    PATIENCE,
    assert_nothing_is_held,
    connect,
    count,
    note,
    stored,
)
from tests.suspended import run_and_cancel

# Any number: these tests use a database of their own.
LOCK = 7
# A server ends a transaction that is idle for longer.
PATIENT = Limits(seconds=PATIENCE)


@pytest.fixture(scope="module", params=ENGINES)
async def _shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    return await new_database(request, tmp_path_factory.mktemp("conformance"), request.param)


@pytest.fixture
async def own_database(_shared: Database) -> Database:
    """The tests share one, since they use it one after the other. It has no rows."""
    for table in ("account_owner", "audit_event", "connection"):
        await _shared.fetch(f"DELETE FROM {table}")
    return _shared


@pytest.fixture
def url(own_database: Database) -> str:
    return own_database.url


@pytest.fixture
async def database(url: str) -> AsyncGenerator[OpenDatabase]:
    async with open_database(url) as database:
        yield database


# Rows


async def test_values_come_back_as_they_were_stored(database: OpenDatabase) -> None:
    identity, sealed = str(uuid4()), bytes(range(256))
    before = datetime.now(UTC)
    row = await Statement(
        """
        INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, access_token,
            expires_at, version, created_at, updated_at)
        VALUES (:id, :user, 'oura', 'connected', '[]', '[]', :token, :expires, :version, now(), after(:seconds))
        RETURNING version, user_id, account, access_token, id, expires_at, created_at, updated_at, version = 2 AS two"""
    ).row(
        database,
        id=identity,
        user="ünï ' \" 日本",
        token=sealed,
        expires=datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
        version=2,
        seconds=1.5,
    )
    assert row is not None
    number, text, null, blob, key, expires, created, updated, truth = row
    assert (number, text, null, bytes(blob), UUID(str(key)), bool(truth)) == (
        2,
        "ünï ' \" 日本",
        None,
        sealed,
        UUID(identity),
        True,
    )
    assert expires == datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
    assert timedelta(seconds=1.4) < updated - created < timedelta(seconds=1.6)
    assert abs(created - before) < timedelta(seconds=PATIENCE)


async def test_times_of_other_time_zones_are_compared_as_times(database: OpenDatabase) -> None:
    """SQLite stores and compares them as text."""
    nearly, later = (datetime(2026, 11, 1, 12, minute, tzinfo=timezone(timedelta(hours=5))) for minute in (29, 31))
    statement = Statement(
        """
        INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, expires_at, created_at,
            updated_at)
        VALUES (:id, :user_id, 'oura', 'connected', '[]', '[]', :expires, now(), now())
        RETURNING expires_at, expires_at < :nearly, expires_at < :later"""
    )
    expires = datetime(2026, 11, 1, 7, 30, tzinfo=UTC)
    row = await statement.row(database, id=str(uuid4()), user_id="alice", expires=expires, nearly=nearly, later=later)
    assert row is not None
    assert (row[0], bool(row[1]), bool(row[2])) == (expires, False, True)


async def test_no_row_is_an_empty_result(database: OpenDatabase) -> None:
    missing = Statement("SELECT id FROM audit_event WHERE request_id = :name")
    assert list(await missing.rows(database, name="x")) == []
    assert await missing.row(database, name="x") is None


# Scripts of several steps


async def test_all_steps_take_effect(database: OpenDatabase, own_database: Database) -> None:
    row = await connect(database, "alice")
    assert row[1] == "alice"
    assert await stored(database, "alice") == ALL
    providers = await own_database.fetch("SELECT provider FROM audit_event ORDER BY provider")
    assert providers == [("alice",), ("oura",)]


async def test_nothing_follows_a_first_step_without_a_row(database: OpenDatabase) -> None:
    await connect(database, "alice")
    assert await connect(database, "alice") is None
    assert await stored(database, "alice") == ALL


async def test_a_conditional_step_runs_only_if_its_column_is_true(database: OpenDatabase) -> None:
    for name, expected in (("alice", 1), ("bob", 0)):
        assert await CONDITIONAL.row(database, id=str(uuid4()), name=name) is not None
        assert await count(database, name) == expected


async def test_a_joining_step_adds_its_columns(database: OpenDatabase) -> None:
    """They decide about later steps as those of the first row do."""
    owned: list[Any] = []
    users = (("alice", "a"), ("bob", "a"), ("carol", "b"), ("dave", None), ("erin", None), ("frank", "b"))
    for name, account in users:
        ((_, noticed, is_other, owned_at),) = await OWNED.rows(database, id=str(uuid4()), name=name, account=account)
        owned.append((bool(noticed), is_other if is_other is None else bool(is_other), type(owned_at)))
        assert await count(database, name) == (noticed or is_other or 0)
    known = datetime
    assert owned == [
        (False, False, known),
        (False, True, known),
        (True, False, known),
        (False, None, NoneType),
        (False, None, NoneType),
        (False, True, known),
    ]


async def test_a_step_whose_condition_is_in_a_subquery(database: OpenDatabase) -> None:
    statement = Statement(
        """
        INSERT INTO connection (id, user_id, provider, status, requested_scopes, granted_scopes, created_at, updated_at)
        VALUES (:id, :name, 'oura', 'connected', '[]', '[]', now(), now())
        RETURNING user_id AS named, user_id = 'bob' AS noticed""",
        "DELETE FROM audit_event WHERE request_id IN (SELECT done.named FROM done WHERE done.noticed)",
    )
    for name, left in (("alice", 1), ("bob", 0)):
        await note(database, name)
        await statement.rows(database, id=str(uuid4()), name=name)
        assert await count(database, name) == left


async def test_a_failing_step_undoes_all_and_is_no_outage(database: OpenDatabase, own_database: Database) -> None:
    with pytest.raises(Violation, match=r"^NOT NULL of audit_event$") as raised:
        await connect(database, "alice", outcome=None)
    assert (raised.value.table, raised.value.is_missing) == ("audit_event", True)
    assert await stored(database, "alice") == NOTHING
    await assert_nothing_is_held(database, own_database)


async def test_a_key_that_is_there_twice_undoes_all_and_is_no_outage(database: OpenDatabase) -> None:
    identity = str(uuid4())
    await CONDITIONAL.row(database, id=identity, name="alice")
    with pytest.raises(Violation, match=r"^UNIQUE of connection$") as raised:
        await CONDITIONAL.row(database, id=identity, name="bob")
    assert (raised.value.table, raised.value.is_missing) == ("connection", False)
    with pytest.raises(Violation):
        async with database.exclusively(LOCK) as transaction:
            await CONDITIONAL.row(transaction, id=identity, name="bob")
    assert await stored(database, "bob") == NOTHING


async def test_only_the_script_that_fails_is_undone(database: OpenDatabase) -> None:
    """Although all of them are requested at once, and share what they can."""
    names = [f"user-{number}" for number in range(100)]
    async with asyncio.timeout(PATIENCE):
        results = await asyncio.gather(
            *(connect(database, name, None if name.endswith("7") else "ok") for name in names), return_exceptions=True
        )
    for name, result in zip(names, results, strict=True):
        assert isinstance(result, Exception) == name.endswith("7")
        assert await stored(database, name) == (NOTHING if name.endswith("7") else ALL)


async def test_a_task_continues_after_the_commit(database: OpenDatabase, own_database: Database) -> None:
    """Others see the rows by then: this process by another connection, and any other process."""

    async def write_and_read(name: str) -> None:
        await connect(database, name)
        assert await stored(database, name) == ALL
        assert await own_database.value("SELECT count(*) FROM audit_event WHERE request_id = $1", name) == 2

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(write_and_read(f"user-{number}") for number in range(30)))


# Cancelled tasks


async def test_cancelled_wherever_it_waits(database: OpenDatabase, own_database: Database) -> None:
    for place in numbers(1):
        name = f"at {place}"
        ended, suspensions = await run_and_cancel(connect(database, name), place)
        await assert_nothing_is_held(database, own_database)
        assert await stored(database, name) in ([ALL] if ended else [ALL, NOTHING])
        if suspensions < place:
            break


async def test_cancelled_in_the_first_use_of_a_database(url: str, own_database: Database) -> None:
    """Connecting is a part of it."""
    for place in numbers(1):
        async with open_database(url) as database:
            ended, suspensions = await run_and_cancel(connect(database, f"at {place}"), place)
            await assert_nothing_is_held(database, own_database)
            assert await stored(database, f"at {place}") in ([ALL] if ended else [ALL, NOTHING])
        if suspensions < place:
            break


async def test_a_script_that_fails_is_cancelled_wherever_it_waits(
    database: OpenDatabase, own_database: Database
) -> None:
    """Also while its connection is made good for others: the task ends as cancelled, not with the error."""

    async def fail() -> None:
        with suppress(Exception):
            await connect(database, "alice", outcome=None)

    # With a connection that knows the statement, it waits as often each time.
    await fail()
    _, suspensions = await run_and_cancel(fail())
    for place in range(1, suspensions + 1):
        await fail()
        ended, _ = await run_and_cancel(connect(database, "alice", outcome=None), place)
        assert not ended
        assert await stored(database, "alice") == NOTHING
    await assert_nothing_is_held(database, own_database)


async def test_one_of_many_is_cancelled(database: OpenDatabase, own_database: Database) -> None:
    tasks = [asyncio.create_task(connect(database, f"user-{number}")) for number in range(40)]
    await asyncio.sleep(0)
    for task in tasks[::4]:
        task.cancel()
    async with asyncio.timeout(PATIENCE):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False, False, False] * 10
    await assert_nothing_is_held(database, own_database)
    for number in range(40):
        assert await stored(database, f"user-{number}") in ([ALL] if number % 4 else [ALL, NOTHING])


# Exclusive transactions


async def note_twice(database: OpenDatabase, name: str, on_wait: Callable[[], object] | None = None) -> None:
    async with database.exclusively(LOCK, on_wait) as transaction:
        await note(transaction, name)
        await note(transaction, name)


async def test_an_exclusive_transaction_is_all_or_nothing(database: OpenDatabase, own_database: Database) -> None:
    await note_twice(database, "both")
    with pytest.raises(ZeroDivisionError):
        await _connect_and_fail(database, "neither")
    assert await count(database, "both") == 2
    assert await stored(database, "neither") == NOTHING
    await assert_nothing_is_held(database, own_database)


async def _connect_and_fail(database: OpenDatabase, name: str) -> None:
    async with database.exclusively(LOCK) as transaction:
        await connect(transaction, name)
        assert await stored(transaction, name) == ALL
        raise ZeroDivisionError


async def test_exclusive_transactions_follow_each_other(url: str) -> None:
    """Also those of several processes: each sees what the one before wrote."""
    async with open_database(url) as first, open_database(url) as second, asyncio.timeout(PATIENCE):
        await asyncio.gather(*(_count_up([first, second][number % 2]) for number in range(20)))
        assert await COUNT.row(first) == (20,)
        for number in range(20):
            assert await count(first, f"after {number}") == 1


async def _count_up(database: OpenDatabase) -> None:
    async with database.exclusively(LOCK) as transaction:
        before = await COUNT.row(transaction)
        assert before is not None
        await note(transaction, f"after {before[0]}")


async def test_scripts_and_exclusive_transactions_side_by_side(database: OpenDatabase) -> None:
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(
            *(connect(database, f"user-{number}") for number in range(20)),
            *(note_twice(database, f"exclusive-{number}") for number in range(20)),
        )
    for number in range(20):
        assert await stored(database, f"user-{number}") == ALL
        assert await count(database, f"exclusive-{number}") == 2


async def test_waiting_for_an_exclusive_transaction_is_bounded(url: str) -> None:
    waited: list[bool] = []
    async with open_database(url, PATIENT) as holder, open_database(url, Limits(seconds=0.3)) as database:
        async with holder.exclusively(LOCK):
            began = monotonic()
            with pytest.raises(DatabaseDown, match=r"SQLITE_BUSY|57014") as raised:
                async with database.exclusively(LOCK, lambda: waited.append(True)):
                    pytest.fail("two at once")
            assert 0.2 < monotonic() - began < PATIENCE
            assert not raised.value.in_doubt
        assert waited == [True]
        await note(database)


async def test_an_exclusive_transaction_is_cancelled_wherever_it_waits(
    database: OpenDatabase, own_database: Database
) -> None:
    for place in numbers(1):
        ended, suspensions = await run_and_cancel(note_twice(database, f"at {place}"), place)
        await assert_nothing_is_held(database, own_database)
        assert await count(database, f"at {place}") in ({2} if ended else {0, 2})
        if suspensions < place:
            # Fewer would mean that it was never cancelled between its two rows.
            assert suspensions >= 2
            break


async def test_an_exclusive_transaction_is_cancelled_twice(database: OpenDatabase, own_database: Database) -> None:
    """Once in its block, and once more while it is rolled back."""
    _, suspensions = await run_and_cancel(note_twice(database, "undisturbed"))
    for first in range(1, suspensions + 1):
        for second in range(first + 1, suspensions + 3):
            name = f"at {first} and {second}"
            await run_and_cancel(note_twice(database, name), first, second)
            assert await count(database, name) in (0, 2)
    await assert_nothing_is_held(database, own_database)


async def test_cancelled_while_another_holds_the_lock(database: OpenDatabase, own_database: Database) -> None:
    for place in numbers(1):
        entered, leave = asyncio.Event(), asyncio.Event()
        holder = asyncio.create_task(_hold(database, f"holder {place}", entered, leave))
        await entered.wait()
        waits = asyncio.Event()
        waiting = asyncio.create_task(run_and_cancel(note_twice(database, f"at {place}", waits.set), place))
        # If it is cancelled before it waits for the lock, it has ended.
        waiting.add_done_callback(lambda _, waits=waits: waits.set())
        async with asyncio.timeout(PATIENCE):
            await waits.wait()
        leave.set()
        ended, suspensions = await waiting
        await holder
        assert await count(database, f"holder {place}") == 2
        assert await count(database, f"at {place}") in ({2} if ended else {0, 2})
        await assert_nothing_is_held(database, own_database)
        if suspensions < place or place > 20:
            break


async def _hold(database: OpenDatabase, name: str, entered: asyncio.Event, leave: asyncio.Event) -> None:
    async with database.exclusively(LOCK) as transaction:
        await note(transaction, name)
        entered.set()
        await leave.wait()
        await note(transaction, name)


# Outages, and the end


async def test_a_wait_for_the_rows_of_another_is_bounded(url: str) -> None:
    async with open_database(url, PATIENT) as holder, open_database(url, Limits(seconds=0.3)) as database:
        async with holder.exclusively(LOCK) as transaction:
            await connect(transaction, "alice")
            began = monotonic()
            with pytest.raises(DatabaseDown, match=r"^(SQLITE_BUSY|QueryCanceledError 57014)$") as raised:
                await connect(database, "alice")
            assert 0.2 < monotonic() - began < PATIENCE
            assert not raised.value.in_doubt
        await note(database)
        assert await stored(database, "alice") == ALL


async def test_a_database_without_tables_is_an_outage(empty_database: Database) -> None:
    async with open_database(empty_database.url) as database:
        await database.ping()
        for attempt in (note(database), COUNT.row(database)):
            with pytest.raises(DatabaseDown, match=r"^(SQLITE_ERROR|UndefinedTableError 42P01)$") as raised:
                await attempt
            assert not raised.value.in_doubt


async def test_checking_whether_it_can_be_written_stores_nothing(
    database: OpenDatabase, own_database: Database
) -> None:
    version = {"sqlite": "PRAGMA data_version", "postgres": "SELECT txid_current()"}[own_database.engine]
    before = await own_database.value(version)
    for _ in range(50):
        await database.check_writable()
    # The question itself uses a transaction id.
    assert await own_database.value(version) == before + (own_database.engine == "postgres")


async def test_what_was_requested_before_the_end_is_done(url: str) -> None:
    async with open_database(url) as database, asyncio.timeout(PATIENCE):
        tasks = [asyncio.create_task(note(database, f"{number}")) for number in range(10)]
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*tasks)
    async with open_database(url) as again:
        assert await COUNT.row(again) == (10,)


async def test_a_closed_database_is_an_outage(url: str) -> None:
    async with open_database(url) as database:
        await note(database)
    attempts: list[Any] = [note(database), database.ping(), database.check_writable()]
    for attempt in attempts:
        with pytest.raises(DatabaseDown) as raised:
            await attempt
        assert not raised.value.in_doubt
