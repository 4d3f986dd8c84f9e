"""What is shown of revocations, and how often the database is asked for it."""

from __future__ import annotations

import asyncio

from models.connection import find_of_user
from resolvers.ending.shown import latest_revocation
from tests.resolvers.ending.endings import connect, deliver_due, ended
from tests.resolvers.world import World

LATEST = "JOIN revocation"


async def test_all_connections_of_a_list_are_read_by_one_statement(world: World) -> None:
    for slug in ("acme", "ends-token", "ends-grant"):
        await ended(world, "alice", slug)
    await connect(world, "alice", "by-bearer")
    context = world.context("alice")
    listed = await find_of_user(world.database, "alice")
    found = await asyncio.gather(*(latest_revocation(context, connection) for connection in listed))
    assert [one and one.status for one in found] == ["unsupported", "pending", "pending", None]
    assert world.database.count(LATEST) == 1


async def test_two_requests_share_nothing(world: World) -> None:
    await ended(world, "alice", "ends-token")
    contexts = [world.context("alice"), world.context("alice")]
    (connection,) = await find_of_user(world.database, "alice")
    await asyncio.gather(*(latest_revocation(context, connection) for context in contexts))
    assert world.database.count(LATEST) == 2


async def test_the_latest_one_is_shown(world: World) -> None:
    await ended(world, "alice", "ends-token")
    await deliver_due(world)
    context = world.context("alice")
    (connection,) = await find_of_user(world.database, "alice")
    shown = await latest_revocation(context, connection)
    assert shown is not None
    assert (shown.status, shown.attempts, shown.delivered_at is None) == ("delivered", 1, False)
    await ended(world, "alice", "ends-token")
    shown = await latest_revocation(world.context("alice"), connection)
    assert shown is not None
    assert (shown.status, shown.attempts, shown.delivered_at) == ("pending", 0, None)


async def test_nothing_is_asked_for_a_connection_that_stands(world: World) -> None:
    connection = await connect(world, "alice", "ends-token")
    assert await latest_revocation(world.context("alice"), connection) is None
    assert world.database.count(LATEST) == 0


async def test_one_that_was_forgotten_is_not_shown(world: World) -> None:
    connection = await ended(world, "alice", "ends-token")
    await world.outside.fetch("DELETE FROM revocation")
    assert await latest_revocation(world.context("alice"), connection) is None
