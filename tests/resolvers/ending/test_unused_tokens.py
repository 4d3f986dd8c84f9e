"""Tokens that came after their connection had ended, and those that a callback could not store."""

from __future__ import annotations

from models.connection import Tokens
from models.revocation_delivery import find_pending
from models.revocation_delivery import take as take_revocation
from models.token_refresh import Fate, Lease, find_fate, take
from models.token_row import TokenRow, find_tokens
from resolvers.ending.delivery import due
from resolvers.ending.unused_tokens import add_late, surrender
from tests.resolvers.ending.endings import (
    connect,
    deliver_due,
    disconnect,
    ended,
    materials,
    revocations,
    sent,
)
from tests.resolvers.world import World

LATE = Tokens("late-access", "late-refresh")


async def refreshing(world: World, slug: str = "ends-token") -> tuple[TokenRow, Lease]:
    """A connection that ends while a refresh is at the provider."""
    connection = await connect(world, "alice", slug)
    row = await find_tokens(world.database, connection.id)
    assert row is not None
    lease = await take(world.database, row, "refresher", lease=30, quiet=60)
    assert lease is not None
    await disconnect(world, "alice", connection)
    return row, lease


async def test_a_refresh_that_comes_late_brings_nothing_back(world: World) -> None:
    row, lease = await refreshing(world)
    assert await find_fate(world.database, row, lease) is Fate.ENDED
    await add_late(world.context(None), row, LATE)
    assert await world.outside.fetch("SELECT status, access_token FROM connection") == [("disconnected", None)]


async def test_its_tokens_take_the_place_of_the_older_ones(world: World) -> None:
    """They are due at once, and no other refresh is needed."""
    row, _ = await refreshing(world)
    assert await deliver_due(world) == 0
    await add_late(world.context(None), row, LATE)
    (material,) = await materials(world)
    assert material is not None
    assert (material.access_token, material.refresh_token) == ("late-access", "late-refresh")
    assert (material.user, material.account) == ("alice", "sam")
    await deliver_due(world)
    assert sent(world) == ["revoke late-refresh"]
    assert await revocations(world) == [("delivered", 1)]


async def test_a_revocation_that_has_ended_gets_a_second_one(world: World) -> None:
    connection = await connect(world, "alice", "ends-token")
    row = await find_tokens(world.database, connection.id)
    assert row is not None
    await disconnect(world, "alice", connection)
    await deliver_due(world)
    await add_late(world.context(None), row, LATE)
    assert await revocations(world, "status, connection_id, ended_version") == [
        ("delivered", connection.id, 1),
        ("pending", connection.id, 1),
    ]
    await deliver_due(world)
    assert sent(world)[-1] == "revoke late-refresh"


async def test_one_that_is_being_sent_gets_a_second_one(world: World) -> None:
    connection = await connect(world, "alice", "ends-token")
    row = await find_tokens(world.database, connection.id)
    assert row is not None
    await disconnect(world, "alice", connection)

    async def meanwhile() -> None:
        await add_late(world.context(None), row, LATE)

    world.provider.meanwhile["/revoke"] = meanwhile
    await deliver_due(world)
    assert await revocations(world) == [("delivered", 1), ("pending", 0)]


async def test_one_whose_delivery_begins_at_the_same_moment_gets_a_second_one(world: World) -> None:
    row, _ = await refreshing(world)

    async def meanwhile() -> None:
        await world.turn_back(30)
        (work,) = await due(world.context(None), 10)
        pending = await find_pending(world.database, work.id)
        assert pending is not None
        assert await take_revocation(world.database, pending, "worker", lease=35, quiet=60)

    world.database.delay("SELECT id FROM revocation", meanwhile)
    await add_late(world.context(None), row, LATE)
    older, newer = await materials(world)
    assert older is not None
    assert newer is not None
    assert older.refresh_token == world.provider.last[1]
    assert newer.refresh_token == "late-refresh"


async def test_a_delivery_that_was_held_up_does_not_overwrite_newer_tokens(world: World) -> None:
    """Its lease is over when its refresh is answered."""
    row, _ = await refreshing(world)

    async def meanwhile() -> None:
        await world.turn_back(3600)
        await add_late(world.context(None), row, LATE)

    world.provider.meanwhile["/token"] = meanwhile
    await world.turn_back(30)
    await deliver_due(world)
    found = [material and material.refresh_token for material in await materials(world)]
    assert found == ["late-refresh", world.provider.last[1]]


async def test_tokens_that_a_delivery_got_by_a_refresh_are_not_overwritten(world: World) -> None:
    """They are as new as those that come late, so both are revoked."""
    row, _ = await refreshing(world)

    async def meanwhile() -> None:
        await world.turn_back(3600)
        await add_late(world.context(None), row, LATE)

    world.provider.meanwhile["/revoke"] = meanwhile
    await world.turn_back(30)
    await deliver_due(world)
    assert sent(world)[-1] == f"revoke {world.provider.last[1]}"
    assert await revocations(world) == [("delivered", 1), ("pending", 0)]
    await deliver_due(world)
    assert sent(world)[-1] == "revoke late-refresh"


async def test_the_revocation_of_other_tokens_of_the_connection_stays_as_it_is(world: World) -> None:
    row, _ = await refreshing(world)
    await ended(world, "alice", "ends-token")
    await add_late(world.context(None), row, LATE)
    found = [material and material.refresh_token for material in await materials(world)]
    assert found == ["late-refresh", world.provider.last[1]]


async def test_the_connection_may_be_deleted_meanwhile(world: World) -> None:
    row, _ = await refreshing(world)
    await deliver_due(world)
    await world.outside.fetch("DELETE FROM connection")
    await world.outside.fetch("DELETE FROM revocation")
    await add_late(world.context(None), row, LATE)
    await deliver_due(world)
    assert sent(world) == ["revoke late-refresh"]


async def test_tokens_of_a_callback_that_were_not_stored(world: World) -> None:
    pseudonyms = world.resources.pseudonyms
    await surrender(world.context("alice"), "alice", "ends-grant", LATE, account="sam")
    columns = "connection_id, ended_version, provider, status, subject, account_subject"
    names = await pseudonyms.of("alice"), await pseudonyms.of_account("ends-grant", "", "sam")
    assert await revocations(world, columns) == [(None, 0, "ends-grant", "pending", *names)]
    await deliver_due(world)
    assert sent(world) == ["revoke late-refresh"]
    assert (await world.events("action, outcome, subject"))[-1] == ("revoke", "ok", names[0])


async def test_they_are_not_revoked_where_that_ends_the_users_connection(world: World) -> None:
    await connect(world, "alice", "ends-grant")
    await surrender(world.context("alice"), "alice", "ends-grant", LATE, account="sam")
    await deliver_due(world)
    assert sent(world) == []
    assert await revocations(world) == [("not_needed", 0)]


async def test_a_provider_without_a_way_to_revoke(world: World) -> None:
    await surrender(world.context("alice"), "alice", "acme", LATE, account=None)
    assert await revocations(world) == []
    assert world.said("revocation.unsupported")
