"""Whether a vault key is used: any value that is sealed with it counts, and a search never keeps the database busy."""

from __future__ import annotations

import pytest

from models.database import Database
from models.key_use import KeyUse
from tests.models.rows import run
from tests.models.sealed_rows import Clock, add_connections, add_request, seal_token

MANY = 2500
"""More rows than two batches have."""


async def test_a_key_without_rows_is_not_used(database: Database) -> None:
    assert not await KeyUse("k1", Clock()).found(database)


@pytest.mark.parametrize("column", ["access_token", "refresh_token"])
async def test_a_key_that_sealed_a_token_is_used(database: Database, column: str) -> None:
    await add_connections(database, range(3))
    await seal_token(database, 1, "k1", column)
    assert await KeyUse("k1", Clock()).found(database)
    # An id that only begins alike, or is only contained, is another.
    for other in ("k", "k10", "k2", "1"):
        assert not await KeyUse(other, Clock()).found(database)


@pytest.mark.parametrize(("seconds", "used"), [(-200, False), (-60, True), (60, True), (3000, True), (4000, False)])
async def test_a_key_that_sealed_a_verifier_is_used_while_the_request_waits(
    database: Database, seconds: float, *, used: bool
) -> None:
    """A claim may begin when it is about to expire, and has a lease."""
    await add_request(database, "k1", expires_in=seconds)
    assert await KeyUse("k1", Clock()).found(database) == used
    assert not await KeyUse("k2", Clock()).found(database)


async def test_all_rows_are_searched(database: Database) -> None:
    """In whatever order they were stored."""
    await add_connections(database, sorted(range(MANY), key=lambda number: number * 7 % MANY))
    assert not await KeyUse("k1", Clock()).found(database)
    for number in (0, 1, 1000, 1499, 1500, 1501, MANY - 1):
        await seal_token(database, number, "k1")
        assert await KeyUse("k1", Clock()).found(database), number
        await run(database, "UPDATE connection SET access_token = NULL")


async def test_a_full_batch_at_the_end_is_the_end(database: Database) -> None:
    await add_connections(database, range(1000))
    assert not await KeyUse("k1", Clock()).found(database)


async def test_a_long_search_is_continued_and_the_key_counts_as_used_until_it_ends(database: Database) -> None:
    """One batch a time here, since the clock moves on by almost the whole budget with each look at it."""
    await add_connections(database, range(MANY))
    use = KeyUse("k1", Clock(step=0.3))
    answers = [await use.found(database) for _ in range(3)]
    assert answers == [True, True, False]


async def test_a_search_that_is_continued_finds_what_comes_late(database: Database) -> None:
    await add_connections(database, range(MANY))
    await seal_token(database, 0, "k1")
    clock = Clock(step=0.3)
    use = KeyUse("k1", clock)
    for _ in range(3):
        assert await use.found(database)
    # It is concluded by now: the row does not matter any more.
    await run(database, "DELETE FROM connection")
    assert await use.found(database)
    clock.now += 100
    assert not await use.found(database)


async def test_a_result_is_used_for_five_seconds(database: Database) -> None:
    clock = Clock()
    use = KeyUse("k1", clock)
    assert not await use.found(database)
    await add_request(database, "k1", expires_in=60)
    clock.now = 4.9
    assert not await use.found(database)
    clock.now = 5.1
    assert await use.found(database)
    await run(database, "DELETE FROM authorization_request")
    clock.now = 10.0
    assert await use.found(database)
    clock.now = 10.2
    assert not await use.found(database)


async def test_a_result_is_used_for_twenty_times_as_long_as_its_search(database: Database) -> None:
    """Of all its parts together."""
    await add_connections(database, range(MANY))
    clock = Clock(step=0.3)
    use = KeyUse("k1", clock)
    while await use.found(database):
        pass
    # From their first look at the clock to their last, two parts took 0.9 seconds and the third 0.6.
    ended, clock.step = clock.now, 0
    await add_request(database, "k1", expires_in=60)
    clock.now = ended + 20 * 2.4 - 0.1
    assert not await use.found(database)
    clock.now = ended + 20 * 2.4 + 0.1
    assert await use.found(database)


async def test_the_next_search_begins_with_the_newest_rows(database: Database) -> None:
    await add_connections(database, range(1500))
    clock = Clock()
    use = KeyUse("k1", clock)
    assert not await use.found(database)
    await seal_token(database, 1499, "k1")
    clock.now = 6
    assert await use.found(database)
