"""Requests that have ended: moved once, remembered with what a repeated callback is compared with, and forgotten."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from models.authorization_request import RequestState, StateBinding, fail_claim, find_request
from models.database import Database, open_database
from models.ended_request import _DUE, abandoned_claims, find_due, forget_ended, move_ended
from tests.databases import Database as Outside
from tests.models.flows import OWNER, add, begin, binding, code_of, connect, entry, move_all
from tests.models.rows import now, run

MINUTE = timedelta(minutes=1)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


async def states(database: Database) -> list[str]:
    return [key for (key,) in await run(database, "SELECT state_hash FROM authorization_request ORDER BY state_hash")]


async def remembered(database: Database) -> list[str]:
    """By user: states are remembered as digests."""
    return [user for (user,) in await run(database, "SELECT user_id FROM ended_request ORDER BY user_id")]


async def age(database: Database, table: str, column: str, seconds: float, user: str) -> None:
    text = f"UPDATE {table} SET {column} = after(:seconds) WHERE user_id = :user"
    await run(database, text, seconds=seconds, user=user)


async def ended(database: Database, **seconds: float) -> None:
    """Requests that have failed, by their user and state, and expire so many seconds from now."""
    for key, moment in seconds.items():
        of = binding(key, user=key)
        await begin(database, of)
        await fail_claim(database, of, OWNER, entry("CODE_EXPIRED"))
        await age(database, "authorization_request", "expires_at", moment, key)


async def move(database: Database, most: int = 100, *, since: datetime = BEGINNING) -> int:
    return len(await move_ended(database, since, await now(database), most))


# Moving


async def test_a_completed_request_is_moved(database: Database) -> None:
    identity = await connect(database)
    await move_all(database)
    assert await states(database) == []
    ((*told, moved),) = await run(database, "SELECT user_id, connection_id, error, ended_at FROM ended_request")
    assert told == ["alice", identity, None]
    assert abs(moved - await now(database)) < MINUTE
    found = await find_request(database, binding(), code_of())
    assert found is not None
    assert (found.status, found.has_code, str(found.connection_id), found.error) == ("completed", True, identity, None)
    assert (found.expired, found.lease_over) == (False, None)


async def test_a_failed_request_is_moved(database: Database) -> None:
    await ended(database, a=-1)
    await move_all(database)
    found = await find_request(database, binding("a", user="a"), code_of())
    assert found == RequestState("failed", True, "CODE_EXPIRED", None, False, None)


async def test_nothing_that_was_bound_or_sent_is_stored_with_it(database: Database) -> None:
    await connect(database)
    await move_all(database)
    for hashes in await run(database, "SELECT state_hash, code_hash FROM ended_request"):
        assert [len(one) for one in hashes] == [16, 16]
        assert b"s1" not in hashes


@pytest.mark.parametrize("name", ["provider", "redirect_uri", "registration"])
async def test_a_callback_that_differs_has_another_code(database: Database, name: str) -> None:
    """One hash covers the code and all that the state was bound to."""
    await connect(database)
    await move_all(database)
    found = await find_request(database, replace(binding(), **{name: "other"}), code_of())
    assert found is not None
    assert not found.has_code


async def test_another_code_another_user_and_another_state(database: Database) -> None:
    await connect(database)
    await move_all(database)
    found = await find_request(database, binding(), code_of("owner-2"))
    assert found is not None
    assert not found.has_code
    for other in (binding(user="bob"), binding("s2")):
        assert await find_request(database, other, code_of()) is None


async def test_a_request_that_nobody_has_claimed_is_deleted(database: Database) -> None:
    await add(database)
    await move_all(database)
    assert await states(database) == []
    assert await remembered(database) == []


async def test_a_claim_stays(database: Database) -> None:
    await begin(database)
    await ended(database, b=-1)
    await move_all(database)
    assert await states(database) == ["s1"]
    assert await remembered(database) == ["b"]


async def test_what_has_not_expired_stays(database: Database) -> None:
    await ended(database, a=-30, b=30)
    assert await move(database) == 1
    assert await states(database) == ["b"]


async def test_the_first_to_expire_are_moved_first(database: Database) -> None:
    await ended(database, c=-20, a=-10, b=-30, d=30)
    moment = await now(database)
    expired = await move_ended(database, BEGINNING, moment, 2)
    assert sorted(round((moment - one).total_seconds(), -1) for one in expired) == [20, 30]
    assert (await states(database), await remembered(database)) == (["a", "d"], ["b", "c"])


async def test_what_is_before_the_lower_bound_is_not_looked_at(database: Database) -> None:
    await ended(database, a=-30, b=-10)
    assert await move(database, since=await now(database) - timedelta(seconds=20)) == 1
    assert await states(database) == ["a"]


async def test_many_at_once_move_each_request_once(database: Database) -> None:
    await ended(database, **{f"user-{number:02}": -number for number in range(1, 31)})
    moved = await asyncio.gather(*(move(database, 7) for _ in range(8)))
    while await move(database, 7):
        pass
    assert sum(moved) <= 30
    assert await states(database) == []
    assert await remembered(database) == [f"user-{number:02}" for number in range(1, 31)]


async def test_what_others_have_locked_is_left_to_them(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("has one writer at a time")
    await ended(database, a=-20, b=-10)
    await ended(database, c=-5, d=-4)
    await move(database, 2)
    await age(database, "ended_request", "ended_at", -9, "a")
    async with database.exclusively(2) as transaction:
        for table, user in (("authorization_request", "c"), ("ended_request", "a")):
            await run(transaction, f"SELECT user_id FROM {table} WHERE user_id = :user FOR UPDATE", user=user)
        assert await move(database) == 1
        assert len(await forget_ended(database, BEGINNING, await now(database), 9)) == 2
    assert (await states(database), await remembered(database)) == (["c"], ["a"])


async def test_a_move_that_is_cancelled_loses_nothing(database: Database) -> None:
    await ended(database, **{f"user-{number:02}": -number for number in range(1, 21)})
    for _ in range(10):
        moving = asyncio.create_task(move(database, 2))
        for _ in range(3):
            await asyncio.sleep(0)
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
        users = [*await states(database), *await remembered(database)]
        assert sorted(users) == [f"user-{number:02}" for number in range(1, 21)]


async def test_a_request_is_found_while_it_is_moved(database: Database) -> None:
    """In one table or the other."""
    await connect(database)
    moving = asyncio.create_task(move_all(database))
    while not moving.done():
        found = await find_request(database, binding(), code_of())
        assert found is not None
        assert (found.status, found.has_code) == ("completed", True)
    await moving


async def test_a_request_that_is_remembered_already_is_not_stored_again(database: Database) -> None:
    """As after a backup of one table was restored."""
    identity = await connect(database)
    await move_all(database)
    await begin(database)
    await fail_claim(database, binding(), OWNER, entry("CODE_EXPIRED"))
    await move_all(database)
    found = await find_request(database, binding(), code_of())
    assert found is not None
    assert (found.status, str(found.connection_id)) == ("completed", identity)


# Claims whose holder died


async def claims(database: Database, most: int = 9, *, since: datetime = BEGINNING) -> list[tuple[str, str]]:
    return list(await abandoned_claims(database, since, await now(database), most))


async def claimed(database: Database, key: str, *, expired: float, lease_over: float) -> StateBinding:
    of = binding(key, user=f"user of {key}")
    await begin(database, of)
    for column, seconds in (("expires_at", expired), ("lease_until", lease_over)):
        await age(database, "authorization_request", column, seconds, of.user_id)
    return of


async def test_abandoned_claims_are_the_first_to_expire_first(database: Database) -> None:
    for key, seconds in (("c", -20), ("a", -10), ("b", -30)):
        await claimed(database, key, expired=seconds, lease_over=-1)
    await claimed(database, "d", expired=30, lease_over=-1)
    await claimed(database, "e", expired=-5, lease_over=30)
    assert await claims(database) == [("b", "user of b"), ("c", "user of c"), ("a", "user of a")]
    assert await claims(database, 2) == [("b", "user of b"), ("c", "user of c")]
    assert await claims(database, since=await now(database) - timedelta(seconds=25)) == [
        ("c", "user of c"),
        ("a", "user of a"),
    ]


@pytest.mark.parametrize("status", ["pending", "completed", "failed"])
async def test_only_a_claim_is_abandoned(database: Database, status: str) -> None:
    await claimed(database, "a", expired=-1, lease_over=-1)
    await run(database, f"UPDATE authorization_request SET status = '{status}'")
    assert await claims(database) == []


# Forgetting


async def test_the_oldest_are_forgotten_first(database: Database) -> None:
    await ended(database, a=-1, b=-1, c=-1, d=-1)
    await move_all(database)
    for user, seconds in (("a", -10), ("b", -30), ("c", -20), ("d", 30)):
        await age(database, "ended_request", "ended_at", seconds, user)
    moment = await now(database)
    assert [round((moment - one).total_seconds()) for one in await forget_ended(database, BEGINNING, moment, 1)] == [30]
    assert await remembered(database) == ["a", "c", "d"]
    assert len(await forget_ended(database, moment - timedelta(seconds=15), moment, 9)) == 1
    assert await remembered(database) == ["c", "d"]
    assert len(await forget_ended(database, BEGINNING, moment, 9)) == 1
    assert await remembered(database) == ["d"]


# What is due


async def due(
    database: Database, *, expired: tuple[float, float] = (1e6, 60), moved: tuple[float, float] = (1e6, 86400)
) -> tuple[bool, bool]:
    """Whether there is something in two periods, given in seconds before now."""
    moment = await now(database)
    since, until, moved_since, moved_until = (moment - timedelta(seconds=one) for one in (*expired, *moved))
    first_request, first_ended = await find_due(database, (since, until), (moved_since, moved_until))
    return first_request is not None, first_ended is not None


async def test_what_is_due(database: Database) -> None:
    assert await due(database) == (False, False)
    await ended(database, a=-120, b=-30)
    assert await due(database) == (True, False)
    moment = await now(database)
    first, _ = await find_due(database, (BEGINNING, moment), (BEGINNING, moment))
    assert first is not None
    assert round((moment - first).total_seconds()) == 120
    assert await due(database, expired=(1e6, 180)) == (False, False)
    assert await due(database, expired=(90, 60)) == (False, False)
    await move(database, 1)
    assert await due(database) == (False, False)
    assert await due(database, moved=(1e6, 0)) == (False, True)
    await age(database, "ended_request", "ended_at", -90000, "a")
    assert await due(database) == (False, True)
    assert await due(database, moved=(80000, 0)) == (False, False)


# Under an old snapshot


async def buffers(session: Any, table: str, since: datetime, until: datetime) -> int:
    """How many pages the server looks at to find out what is due."""
    step = _DUE._scripts["postgres"].steps[0]
    given = {f"{table}_since": since, f"{table}_until": until}
    values = [given.get(name, until) for name in step.names]
    explained = await session.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {step.text}", *values)
    return json.loads(explained)[0]["Plan"]["Shared Hit Blocks"]


async def test_what_an_old_snapshot_keeps_is_not_read_again(own_database: Outside) -> None:
    """The server can't remove index entries that a dump may need, so a search doesn't begin before them."""
    if own_database.engine == "sqlite":
        pytest.skip("keeps no index entries of deleted rows")
    rows = """INSERT INTO authorization_request (state_hash, user_id, provider, redirect_uri, registration, scopes,
        status, created_at, expires_at) SELECT n::text, n::text, 'p', 'r', 'c', '[]', 'failed', now(),
        now() - interval '1 hour' FROM generate_series(1, 4000) AS n"""
    await own_database.fetch(rows)
    dump, session = [await asyncpg.connect(own_database.url) for _ in range(2)]
    try:
        async with open_database(own_database.url) as database, dump.transaction(isolation="repeatable_read"):
            await dump.fetch("SELECT count(*) FROM authorization_request")
            while await move(database, 1000):
                pass
            while await forget_ended(database, BEGINNING, await now(database), 1000):
                pass
            moment = await now(database)
            await session.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
            for table in ("requests", "ended"):
                assert await buffers(session, table, BEGINNING, moment) > 40
                assert await buffers(session, table, moment, moment) < 20
    finally:
        await dump.close()
        await session.close()
