"""What the worker does for connections that nobody asks for."""

from __future__ import annotations

import asyncio

import pytest

from models.database import DatabaseDown
from models.token_refresh import take
from models.token_row import find_tokens
from resolvers.errors import ProviderUnavailable
from resolvers.tokens.ahead import due, refresh_ahead
from tests.resolvers.tokens.services import (
    FIND,
    TAKE,
    another_process,
    columns,
    expired,
    hold,
    issue,
    pass_time,
    row_of,
    service,
)
from tests.resolvers.world import LEASE, World

QUIET = 60.0
DAY = 24 * 3600.0


async def work(world: World) -> list[str]:
    """Do what is due. Returns the keys."""
    context = service(world)
    found = await due(context, 100)
    for piece in found:
        await refresh_ahead(context, piece.id)
    return [piece.key for piece in found]


async def seconds_until_due(world: World) -> float | None:
    connection = await world.outside.value("SELECT id FROM connection")
    row = await find_tokens(world.database, str(connection))
    assert row is not None
    return None if row.due_at is None else (row.due_at - row.read_at).total_seconds()


async def test_tokens_are_refreshed_before_they_expire_unused(world: World) -> None:
    await world.connect("alice", "ahead")
    first = await seconds_until_due(world)
    assert first is not None
    assert DAY / 2 <= first <= DAY
    assert await work(world) == []
    await pass_time(world, DAY)
    assert len(await work(world)) == 1
    assert len(world.provider.refreshes()) == 1
    assert await world.stored_tokens("alice", "ahead") == world.provider.last
    again = await seconds_until_due(world)
    assert again is not None
    assert DAY / 2 - 10 <= again <= DAY
    assert await work(world) == []


@pytest.mark.parametrize("slug", ["acme", "reusable"])
async def test_others_are_left_alone(any_world: World, slug: str) -> None:
    await any_world.connect("alice", slug)
    await pass_time(any_world, DAY)
    assert await seconds_until_due(any_world) is None
    assert await work(any_world) == []


async def test_a_connection_that_was_used_is_not_due(any_world: World) -> None:
    connection = await expired(any_world, "ahead")
    await pass_time(any_world, DAY)
    await issue(any_world, connection)
    assert await work(any_world) == []


async def test_two_workers_refresh_once(world: World) -> None:
    await world.connect("alice", "ahead")
    await pass_time(world, DAY)
    ((piece,), contexts) = (await due(service(world), 10), [another_process(world), another_process(world)])
    await asyncio.gather(*(refresh_ahead(context, piece.id) for context in contexts))
    await refresh_ahead(contexts[0], piece.id)
    assert len(world.provider.refreshes()) == 1


async def test_each_attempt_has_a_key_of_its_own(world: World) -> None:
    await world.connect("alice", "ahead")
    await pass_time(world, DAY)
    world.provider.refuse("unknown")
    keys = await work(world)
    for _ in range(2):
        # A refresh that failed says when the next one may be sent.
        assert await work(world) == []
        await pass_time(world, 100, "retry_at", "due_at")
        keys += await work(world)
    assert len(set(keys)) == 3
    # A worker that dies leaves the due time, not the number of the lease.
    world.provider.raw, world.provider.status = None, "200 OK"
    await pass_time(world, 100, "retry_at", "due_at")
    (before,) = await due(service(world), 10)
    await world.outside.fetch("UPDATE connection SET epoch = epoch + 1")
    (after,) = await due(service(world), 10)
    assert before.key != after.key
    assert before.provider == "ahead"


async def test_a_holder_that_died(world: World) -> None:
    """The worker takes over when what the holder sent can't be handled any more, for any connection."""
    connection = await expired(world)
    assert await seconds_until_due(world) is None
    row = await row_of(world, connection)
    assert await take(world.database, row, "dead", lease=LEASE, quiet=QUIET)
    wait = await seconds_until_due(world)
    assert wait is not None
    assert LEASE + QUIET - 10 < wait <= LEASE + QUIET
    await pass_time(world, LEASE + QUIET + 1)
    assert len(await work(world)) == 1
    assert await world.stored_tokens("alice") == world.provider.last
    assert await columns(world, "due_at, unsure") == (None, 0)


async def test_a_worker_that_comes_too_early(world: World) -> None:
    """The request of a holder that died may still be handled."""
    await world.connect("alice", "ahead")
    await hold(world)
    await pass_time(world, DAY, "due_at")
    await world.outside.fetch("UPDATE connection SET lease_until = granted_at")
    assert len(await work(world)) == 1
    wait = await seconds_until_due(world)
    assert wait is not None
    assert QUIET - 10 <= wait <= QUIET
    assert world.provider.refreshes() == []


async def test_a_connection_without_refresh_token_ends(world: World) -> None:
    world.provider.tokens = {"refresh_token": None}
    await world.connect("alice")
    wait = await seconds_until_due(world)
    assert wait is not None
    assert 3590 < wait <= 3600
    # A little early, by the clock of the database.
    await pass_time(world, 3600, "due_at")
    await work(world)
    assert await columns(world, "status") == ("connected",)
    assert (await seconds_until_due(world) or 0) > 3500
    await pass_time(world, 3601)
    await work(world)
    assert await columns(world, "status, status_reason, due_at") == ("error", "reauthorization_required", None)
    assert ("refresh", "REAUTHORIZATION_REQUIRED") in await world.events()
    assert await work(world) == []


async def test_the_end_of_a_grant_is_the_end_of_the_work(world: World) -> None:
    await world.connect("alice", "ahead")
    await pass_time(world, DAY)
    world.provider.refuse("invalid_grant")
    await work(world)
    assert await columns(world, "status, due_at") == ("error", None)
    assert await work(world) == []


async def test_a_provider_that_is_gone_is_asked_for_later(any_world: World) -> None:
    connection = await any_world.connect("alice", "ahead")
    await pass_time(any_world, DAY)
    await refresh_ahead(service(any_world, registrations={}), connection.id)
    wait = await seconds_until_due(any_world)
    assert wait is not None
    assert 50 < wait <= 60


@pytest.mark.parametrize(
    "change", ["status = 'disconnected'", "due_at = NULL", "due_at = '2199-01-01 00:00:00.000000+00:00'"]
)
async def test_what_is_not_due_any_more(any_world: World, change: str) -> None:
    connection = await any_world.connect("alice", "ahead")
    await pass_time(any_world, DAY)
    await any_world.outside.fetch(f"UPDATE connection SET {change}")
    # Nobody else waits for a place at the provider because of it, nor is a lease tried.
    any_world.database.fail(TAKE)
    await refresh_ahead(service(any_world), connection.id)
    assert any_world.provider.refreshes() == []


async def test_a_refresh_that_failed_says_when_the_next_one_is_due(any_world: World) -> None:
    """Which may be sooner than what was not tried is looked at again."""
    await any_world.connect("alice", "ahead")
    await pass_time(any_world, DAY)
    any_world.provider.refuse("unknown")
    assert len(await work(any_world)) == 1
    wait = await seconds_until_due(any_world)
    assert wait is not None
    assert wait <= 6


async def test_a_connection_that_is_gone(any_world: World) -> None:
    await refresh_ahead(service(any_world), "01930000-0000-7000-8000-000000000000")


@pytest.mark.parametrize("statement", [FIND, TAKE])
async def test_a_database_that_is_down(any_world: World, statement: str) -> None:
    connection = await any_world.connect("alice", "ahead")
    await pass_time(any_world, DAY)
    any_world.database.fail(statement)
    with pytest.raises(DatabaseDown):
        await refresh_ahead(service(any_world), connection.id)
    assert (await row_of(any_world, connection)).due_at is not None
    await work(any_world)
    assert len(any_world.provider.refreshes()) == 1


async def test_a_connection_has_an_error_while_the_provider_wants_to_be_left_alone(world: World) -> None:
    """Nothing is sent before the provider's time is over, but nobody is told that the connection works."""
    connection = await expired(world)
    world.provider.refuse("slow_down", "429 Too Many Requests", "Retry-After: 80000")
    with pytest.raises(ProviderUnavailable):
        await issue(world, connection)
    await pass_time(world, 50)
    assert await work(world) == []
    await pass_time(world, 20)
    assert len(await work(world)) == 1
    assert await columns(world, "status, status_reason") == ("error", "provider_failing")
    assert await work(world) == []
    assert len(world.provider.refreshes()) == 1
    world.provider.raw, world.provider.status = None, "200 OK"
    await pass_time(world, 80000)
    assert len(await work(world)) == 1
    assert await columns(world, "status, status_reason") == ("connected", None)
