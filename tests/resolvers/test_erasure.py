"""Forgetting a user while others still work for the user: nothing that they write afterwards has the user's id."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from msgspec.structs import replace

from models.connection import Tokens, seal_tokens
from models.database import DatabaseDown, Session
from models.ended_request import move_ended
from models.revocation import RevocationStatus
from models.token_row import find_tokens
from resolvers.caller import WRITE_ERASURE
from resolvers.clearing import clear
from resolvers.erasure import Receipt, RemovedRows, erase, erase_user
from resolvers.errors import Forbidden, InsufficientScope
from resolvers.tokens.refresh import refresh
from tests.loop_clock import happened
from tests.models.rows import run, value, waits_for_a_lock
from tests.resolvers.ending.endings import connect, deliver_due, ended, materials, revocations
from tests.resolvers.world import World

TABLES = ("account_owner", "audit_subject", "authorization_request", "connection", "ended_request")
NOTHING = RemovedRows(0, 0, 0, 0, 0)
STORE = "INSERT INTO connection"


async def forget(world: World, user: str = "alice") -> Receipt:
    return await erase_user(world.context(None, scopes=frozenset({WRITE_ERASURE})), user)


async def is_forgotten(world: World, user: str = "alice") -> bool:
    """Once the world has written all that it had still to write."""
    await world.resources.repeats.close()
    counts = [await world.outside.value(f"SELECT count(*) FROM {table} WHERE user_id = $1", user) for table in TABLES]
    return not any(counts)


# SQLite lets nobody else write until the transaction ends.
between_statements = pytest.mark.parametrize("migrated_database", ["postgres"], indirect=True)


async def until_waiting(session: Session, transactions: int) -> None:
    """Until so many wait for a lock. The server has no event for it."""
    while await value(session, "SELECT count(*) FROM pg_locks WHERE NOT granted") < transactions:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def until_asked(world: World) -> None:
    with world.clock():
        await happened(world.provider.asked)


async def test_each_grant_is_revoked_by_the_next_worker(world: World) -> None:
    one, _ = await connect(world, "alice", "ends-token"), await connect(world, "alice", "acme")
    earlier = await ended(world, "alice", "ends-grant")
    receipt = await forget(world)
    assert {(grant.provider, grant.status) for grant in receipt.grants} == {
        ("ends-token", RevocationStatus.PENDING),
        ("acme", RevocationStatus.UNSUPPORTED),
    }
    assert receipt.pending == 2
    assert receipt.removed.connections == 3
    assert await is_forgotten(world)
    assert await deliver_due(world) == 2
    shown = await revocations(world, "connection_id, status")
    assert set(shown) >= {(earlier.id, "delivered"), (one.id, "delivered")}
    told = await world.outside.fetch("SELECT action FROM audit_event WHERE subject = $1", receipt.pseudonym)
    assert [action for (action,) in told].count("revoke") == 2
    assert await is_forgotten(world)


async def test_tokens_that_can_not_be_decrypted_are_told(world: World) -> None:
    await connect(world, "alice", "ends-token")
    await world.outside.fetch("UPDATE connection SET access_token = refresh_token")
    receipt = await forget(world)
    assert [grant.status for grant in receipt.grants] == [RevocationStatus.FAILED]
    assert await is_forgotten(world)


async def test_a_callback_that_waits_for_the_provider_stores_nothing(world: World) -> None:
    callback = await world.begin("alice", "ends-token")

    async def meanwhile() -> None:
        await forget(world)

    world.provider.meanwhile["/token"] = meanwhile
    assert (await world.problem("alice", callback)).code == "PROVIDER_UNAVAILABLE"
    await world.drained()
    assert await is_forgotten(world)
    (material,) = await materials(world)
    assert material is not None
    assert (material.access_token, material.refresh_token) == world.provider.last
    assert (await world.problem("alice", callback)).code == "INVALID_STATE"


async def test_a_callback_that_the_provider_refuses_meanwhile_writes_nothing(world: World) -> None:
    callback = await world.begin("alice")

    async def meanwhile() -> None:
        await forget(world)

    world.provider.meanwhile["/token"] = meanwhile
    world.provider.refuse("invalid_grant")
    assert (await world.problem("alice", callback)).code == "PROVIDER_UNAVAILABLE"
    await world.drained()
    assert await is_forgotten(world)


async def test_a_callback_that_waits_for_another_one_names_nobody(world: World) -> None:
    callback = await world.begin("alice")
    world.provider.leave.clear()
    with world.clock():
        first = asyncio.create_task(world.code("alice", callback))
        await happened(world.provider.asked)
        other = asyncio.create_task(world.code("alice", callback))
        await happened(lambda: world.waiting(callback) == 1)
        await forget(world)
        world.provider.leave.set()
        assert [await first, await other] == ["PROVIDER_UNAVAILABLE", "INVALID_STATE"]
    await world.drained()
    assert ("complete", "INVALID_STATE") in await world.events()
    assert await is_forgotten(world)


async def test_a_store_that_is_tried_again_stores_nothing(world: World) -> None:
    callback = await world.begin("alice", "ends-token")

    async def meanwhile() -> None:
        await forget(world)

    world.database.fail(STORE, meanwhile=meanwhile)
    assert (await world.problem("alice", callback)).code == "PROVIDER_UNAVAILABLE"
    await world.drained()
    assert await is_forgotten(world)
    assert await revocations(world, "status") == [("pending",)]


async def test_a_store_whose_answer_was_lost_is_found_and_ended(world: World) -> None:
    callback = await world.begin("alice", "ends-token")

    async def meanwhile() -> None:
        receipt = await forget(world)
        assert receipt.removed.connections == 1

    world.database.fail(STORE, done=True, in_doubt=True, meanwhile=meanwhile)
    assert (await world.problem("alice", callback)).code == "PROVIDER_UNAVAILABLE"
    await world.drained()
    assert await is_forgotten(world)


async def test_the_tokens_of_a_refresh_in_progress_are_revoked(world: World) -> None:
    connection = await connect(world, "alice", "ends-token")
    row = await find_tokens(world.database, connection.id)
    assert row is not None

    async def meanwhile() -> None:
        await forget(world)

    world.provider.meanwhile["/token"] = meanwhile
    await refresh(world.context(None), row)
    assert await is_forgotten(world)
    (material,) = await materials(world)
    assert material is not None
    assert (material.access_token, material.refresh_token) == world.provider.last
    assert await revocations(world, "connection_id, status") == [(connection.id, "pending")]


@between_statements
async def test_a_callback_that_stores_at_the_same_moment_is_found(world: World) -> None:
    """Its statement locks the request first."""
    callback = await world.begin("alice", "ends-token")
    world.provider.leave.clear()
    completing = asyncio.create_task(world.complete("alice", callback))
    await until_asked(world)
    async with world.database.exclusively(7) as other:
        # Both wait for this, the callback first.
        await run(other, "SELECT 1 FROM authorization_request FOR UPDATE")
        world.provider.leave.set()
        await waits_for_a_lock(other, completing)
        forgetting = asyncio.create_task(forget(world))
        await until_waiting(other, 2)
    await completing
    assert (await forgetting).removed.connections == 1
    assert await is_forgotten(world)
    assert await revocations(world, "status") == [("pending",)]


@between_statements
async def test_a_request_that_is_moved_at_the_same_moment_is_found(world: World) -> None:
    await world.connect("alice")
    always = datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC)
    async with world.database.exclusively(7) as worker:
        assert await move_ended(cast("Any", worker), *always, 10)
        forgetting = asyncio.create_task(forget(world))
        await until_waiting(worker, 1)
    assert (await forgetting).removed.ended_requests == 1
    assert await is_forgotten(world)


@between_statements
async def test_a_refresh_that_stores_at_the_same_moment_is_found(world: World) -> None:
    connection = await connect(world, "alice", "ends-token")
    row = await find_tokens(world.database, connection.id)
    assert row is not None
    async with world.database.exclusively(7) as refresher:
        tokens = seal_tokens(world.resources.vault, "alice", "ends-token", 2, Tokens("newer", "newest"))
        change = "UPDATE connection SET version = 2, access_token = :access_token, refresh_token = :refresh_token"
        await run(refresher, f"{change} RETURNING id", **tokens)
        forgetting = asyncio.create_task(forget(world))
        await until_waiting(refresher, 1)
    assert (await forgetting).removed.connections == 1
    (material,) = await materials(world)
    assert material is not None
    assert (material.access_token, material.refresh_token) == ("newer", "newest")
    assert await is_forgotten(world)


async def test_an_account_that_is_learnt_meanwhile_is_not_stored(world: World) -> None:
    async def meanwhile() -> None:
        await forget(world)

    world.provider.meanwhile["/me"] = meanwhile
    await world.connect("alice", "account")
    assert await is_forgotten(world)


async def test_a_callback_that_has_just_found_its_connection_names_nobody(world: World) -> None:
    callback = await world.begin("alice")
    connection = await world.complete("alice", callback)

    async def meanwhile() -> None:
        await forget(world)

    world.database.delay("FROM connection WHERE id", meanwhile)
    assert await world.complete("alice", callback) == connection
    assert ("complete", "replayed") in await world.events()
    assert await is_forgotten(world)


async def test_calls_that_were_counted_before_name_nobody_afterwards(world: World) -> None:
    """Repetitions are written once a minute, also by processes that know nothing of the erasure."""
    callback = await world.begin("alice")
    await world.complete("alice", callback)
    for _ in range(3):
        await world.complete("alice", callback)
        await world.code("alice", replace(callback, code="another"))
    await forget(world)
    assert await is_forgotten(world)
    counts = await world.outside.fetch("SELECT outcome, count FROM audit_event ORDER BY id")
    assert {("replayed", 2), ("INVALID_STATE", 2)} <= set(counts)


async def test_what_others_clear_meanwhile(world: World) -> None:
    await world.connect("alice")
    await world.turn_back(3600)
    await asyncio.gather(forget(world), clear(world.context("bob")))
    await world.clear()
    assert await is_forgotten(world)


async def test_without_the_database_nothing_changes(world: World) -> None:
    await world.connect("alice")
    world.database.away = True
    with pytest.raises(DatabaseDown):
        await forget(world)
    world.database.mend()
    assert await world.outside.value("SELECT status FROM connection") == "connected"
    assert (await forget(world)).removed.connections == 1


async def test_nothing_to_remove_is_recorded_as_a_repetition(world: World) -> None:
    for _ in range(3):
        assert (await forget(world)).removed == NOTHING
    await world.resources.repeats.close()
    told = await world.outside.fetch("SELECT action, outcome, count FROM audit_event")
    assert sorted(told) == [("erase", "replayed", 1), ("erase", "replayed", 2)]


async def test_the_command_acts_for_nobody(world: World) -> None:
    await world.connect("alice")
    await erase(replace(world.context(None), caller=None), "alice", rebuild=True)
    told = await world.events("action, outcome, actor, client_id")
    assert told[-1] == ("erase", "ok", None, None)


async def test_who_may_not(any_world: World) -> None:
    with pytest.raises(InsufficientScope):
        await erase_user(any_world.context(None), "alice")
    with pytest.raises(Forbidden):
        await erase_user(any_world.context("bob", scopes=frozenset({WRITE_ERASURE})), "alice")
    await any_world.resources.repeats.close()
    assert await any_world.events() == [("erase", "INSUFFICIENT_SCOPE"), ("erase", "FORBIDDEN")]
