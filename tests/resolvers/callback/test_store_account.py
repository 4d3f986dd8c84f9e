"""The provider's own id of the user: beside the tokens, or asked for once they are stored, which nothing may undo."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from models.connection import StoredConnection
from resolvers.callback.claims import Callback
from tests.loop_clock import LoopClock, happened
from tests.resolvers.failing_database import SET_ACCOUNT, STORE
from tests.resolvers.world import World

SLUGS = ("naming", "account")


async def connect(world: World, user: str, slug: str, account: str) -> StoredConnection:
    world.provider.account = account
    world.provider.tokens = {"user": account}
    return await world.connect(user, slug)


async def answered(world: World, clock: LoopClock, callback: Callback) -> tuple[StoredConnection, float]:
    """The connection, and the seconds that the caller waited for it."""
    began = clock.now
    completing = asyncio.create_task(world.complete("alice", callback))
    await clock.until(completing.done)
    return await completing, clock.now - began


def unknown(world: World) -> list[str]:
    """Why the log says that the account is unknown."""
    assert {line["provider"] for line in world.said("account.unknown")} <= {"account"}
    return [line["fault"] for line in world.said("account.unknown")]


@pytest.mark.parametrize("slug", SLUGS)
async def test_the_account_is_stored_and_shown(world: World, slug: str) -> None:
    connection = await connect(world, "alice", slug, "sam")
    assert connection.account == "sam"
    assert await world.account_of("alice", slug) == "sam"
    asked = world.provider.asked("/me")
    assert [request.headers["authorization"] for request in asked] == (
        [] if slug == "naming" else [f"Bearer {world.provider.last[0]}"]
    )


async def test_a_provider_without_accounts_is_not_asked_for_one(any_world: World) -> None:
    connection = await connect(any_world, "alice", "acme", "sam")
    assert connection.account is None
    assert len(any_world.provider.server.asked) == 1


async def test_an_account_beside_the_tokens_is_not_asked_for(any_world: World) -> None:
    await connect(any_world, "alice", "both", "sam")
    assert len(any_world.provider.server.asked) == 1


# What is noticed about it


@pytest.mark.parametrize("slug", SLUGS)
async def test_another_account_than_before(world: World, slug: str) -> None:
    for account in ("first", "first"):
        connection = await connect(world, "alice", slug, account)
    assert not [action for action, _ in await world.events() if action.startswith("account")]
    connection = await connect(world, "alice", slug, "second")
    told = [row for row in await world.events("action, provider, connection_id, outcome") if "account" in row[0]]
    assert [(*row[:2], str(row[2]), row[3]) for row in told] == [("account_changed", slug, connection.id, "ok")]
    assert [(line["provider"], line["connection_id"]) for line in world.said("account.changed")] == [
        (slug, connection.id)
    ]
    assert not world.said("account.shared")
    assert "second" not in str(world.logged)


@pytest.mark.parametrize("slug", SLUGS)
async def test_an_account_of_two_users(world: World, slug: str) -> None:
    await connect(world, "alice", slug, "both")
    assert not world.said("account.shared")
    connection = await connect(world, "bob", slug, "both")
    told = [row for row in await world.events("action, provider, connection_id, outcome") if "account" in row[0]]
    assert [(*row[:2], str(row[2]), row[3]) for row in told] == [("account_shared", slug, connection.id, "ok")]
    assert [(line["provider"], line["connection_id"]) for line in world.said("account.shared")] == [
        (slug, connection.id)
    ]
    assert not world.said("account.changed")
    assert "both" not in str(world.logged)


async def test_an_account_of_tokens_that_were_renewed_meanwhile_is_neither_stored_nor_shown(world: World) -> None:
    """It is that of the older tokens."""
    first, second = [await world.begin("alice", "account") for _ in range(2)]

    async def renew() -> None:
        world.provider.account = "newer"
        await world.complete("alice", second)
        world.provider.account = "older"

    world.provider.meanwhile["/me"] = renew
    connection = await world.complete("alice", first)
    assert connection.account is None
    assert await world.account_of("alice") == "newer"
    assert await world.stored_tokens("alice", "account") == world.provider.last
    assert not world.said("account.changed")


async def test_it_is_not_asked_for_with_tokens_that_were_not_stored(world: World) -> None:
    """Another flow's newer tokens are, which may be another account's."""
    first, second = [await world.begin("alice", "account") for _ in range(2)]
    with world.clock() as clock:
        # No claim seems slow then, so their times are exact.
        world.database.fail(STORE, meanwhile=lambda: world.complete("alice", second))
        await answered(world, clock, first)
    assert world.said("connection.newer")
    asked = world.provider.asked("/me")
    assert [request.headers["authorization"] for request in asked] == [f"Bearer {world.provider.last[0]}"]


# If it can't be had: the tokens are stored by then


@pytest.mark.parametrize("status", ["500 Oops", "401 Unauthorized", "200 OK"])
async def test_a_provider_that_does_not_say(any_world: World, status: str) -> None:
    any_world.provider.account, any_world.provider.account_status = {}, status
    connection = await any_world.connect("alice", "account")
    assert (connection.status, connection.account) == ("connected", None)
    assert len(unknown(any_world)) == 1


async def test_a_database_that_goes_away_while_the_account_is_asked_for(world: World) -> None:
    callback = await world.begin("alice", "account")

    async def away() -> None:
        world.database.away = True

    world.provider.meanwhile["/me"] = away
    connection = await world.complete("alice", callback)
    assert connection.status == "connected"
    assert unknown(world) == ["AWAY"]
    world.database.mend()
    assert (await world.complete("alice", callback)).id == connection.id
    assert len(world.provider.asked()) == 1


async def test_a_provider_that_hangs_is_waited_for_for_three_seconds(any_world: World) -> None:
    callback = await any_world.begin("alice", "account")
    any_world.provider.meanwhile["/me"] = asyncio.Event().wait
    with any_world.clock() as clock:
        connection, took = await answered(any_world, clock, callback)
    assert (connection.status, connection.account) == ("connected", None)
    assert took == pytest.approx(3.05, abs=0.1)
    assert len(unknown(any_world)) == 1


async def test_the_database_has_what_is_left_of_the_three_seconds(any_world: World) -> None:
    callback = await any_world.begin("alice", "account")
    with any_world.clock() as clock:
        any_world.provider.meanwhile["/me"] = passing(clock, 1)
        any_world.database.delay(SET_ACCOUNT, asyncio.Event().wait)
        connection, took = await answered(any_world, clock, callback)
    assert connection.status == "connected"
    assert took == pytest.approx(3.05, abs=0.1)
    assert unknown(any_world) == ["the database took too long"]


async def test_the_account_is_not_waited_for_for_long_after_the_lease(any_world: World) -> None:
    """However late the tokens were stored, the caller gets the connection before it stops waiting."""
    callback = await any_world.begin("alice", "account")
    any_world.provider.meanwhile["/me"] = asyncio.Event().wait
    with any_world.clock() as clock:
        any_world.database.delay(STORE, passing(clock, 14))
        connection, took = await answered(any_world, clock, callback)
    assert connection.status == "connected"
    assert took == pytest.approx(15.55, abs=0.1)


async def test_an_answer_that_came_while_the_process_stood_still_is_stored(any_world: World) -> None:
    callback = await any_world.begin("alice", "account")
    with any_world.clock() as clock:
        any_world.provider.meanwhile["/me"] = lambda: clock.jump(3.1)
        connection, _ = await answered(any_world, clock, callback)
    assert connection.account == "sam"
    assert await any_world.account_of("alice") == "sam"


async def test_after_a_standstill_the_database_has_a_moment(any_world: World) -> None:
    callback = await any_world.begin("alice", "account")
    with any_world.clock() as clock:
        any_world.provider.meanwhile["/me"] = lambda: clock.jump(3.1)
        any_world.database.delay(SET_ACCOUNT, asyncio.Event().wait)
        completing = asyncio.create_task(any_world.complete("alice", callback))
        await happened(lambda: any_world.database.count(SET_ACCOUNT))
        await clock.advance(0.15)
        assert not completing.done()
        await clock.advance(0.1)
        assert (await completing).status == "connected"
    assert unknown(any_world) == ["the database took too long"]


def passing(clock: LoopClock, seconds: float) -> Callable[[], Any]:
    return lambda: clock.advance(seconds)
