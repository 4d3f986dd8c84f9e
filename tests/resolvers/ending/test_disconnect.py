"""Ending a connection beside everything else that may happen to it at the same moment."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from models.connection import StatusReason
from models.token_refresh import take
from models.token_row import find_tokens
from models.vault import Vault
from resolvers.caller import READ, WRITE
from resolvers.connections import list_connections
from resolvers.ending.disconnect import disconnect_connection
from resolvers.errors import ConnectionNotFound, InsufficientScope, ServiceUnavailable
from tests.resolvers.ending.endings import connect, disconnect, ended, materials, revocations
from tests.resolvers.world import World

FIND = "SELECT id, user_id, provider, site"
"""A part of the statement that reads a connection's tokens."""


async def test_the_revocation_has_all_that_it_needs(world: World) -> None:
    connection = await ended(world, "alice", "ends-grant")
    access_token, refresh_token = world.provider.last
    (material,) = await materials(world)
    assert material is not None
    assert (material.access_token, material.refresh_token) == (access_token, refresh_token)
    assert (material.user, material.account) == ("alice", "sam")
    pseudonyms = world.resources.pseudonyms
    columns = "connection_id, ended_version, provider, site, subject, account_subject"
    assert await revocations(world, columns) == [
        (
            *(connection.id, 1, "ends-grant", ""),
            await pseudonyms.of("alice"),
            await pseudonyms.of_account("ends-grant", "", "sam"),
        )
    ]


async def test_the_pseudonym_of_an_account_is_nobody_elses(world: World) -> None:
    pseudonyms = world.resources.pseudonyms
    names = [
        await pseudonyms.of("sam"),
        await pseudonyms.of("account\noura\n\nsam"),
        await pseudonyms.of_account("oura", "", "sam"),
        await pseudonyms.of_account("oura", "sam", ""),
        await pseudonyms.of_account("fitbit", "", "sam"),
    ]
    assert len(set(names)) == 5
    assert await pseudonyms.of_account("oura", "", None) is None


async def test_a_refresh_in_progress_is_waited_for(world: World) -> None:
    connection = await connect(world, "alice", "ends-token")
    row = await find_tokens(world.database, connection.id)
    assert row is not None
    assert await take(world.database, row, "refresher", lease=30, quiet=60)
    await disconnect(world, "alice", connection)
    ((unsure, due_at, created_at),) = await world.outside.fetch("SELECT unsure, due_at, created_at FROM revocation")
    assert unsure
    if world.outside.engine == "postgres":
        assert timedelta(seconds=20) < due_at - created_at <= timedelta(seconds=30)
    columns = "owner, lease_until, unsure, first_sent_at"
    assert await world.outside.fetch(f"SELECT {columns} FROM connection") == [(None, None, 0, None)]


async def test_tokens_that_change_meanwhile_are_read_again(world: World) -> None:
    """As a callback does that renews the connection."""
    connection = await connect(world, "alice", "ends-grant")

    async def meanwhile() -> None:
        await connect(world, "alice", "ends-grant")

    world.database.delay(FIND, meanwhile)
    await disconnect(world, "alice", connection)
    (material,) = await materials(world)
    assert material is not None
    assert (material.access_token, material.refresh_token) == world.provider.last
    assert await revocations(world, "ended_version") == [(2,)]


async def test_an_account_that_becomes_known_meanwhile_is_read_again(world: World) -> None:
    connection = await connect(world, "alice", "ends-grant", None)

    async def meanwhile() -> None:
        await world.outside.fetch("UPDATE connection SET account = 'sam'")

    world.database.delay(FIND, meanwhile)
    await disconnect(world, "alice", connection)
    (material,) = await materials(world)
    assert material is not None
    assert material.account == "sam"


async def test_tokens_that_can_not_be_decrypted_are_erased_nevertheless(world: World) -> None:
    """Nobody could use them, nor revoke them."""
    connection = await connect(world, "alice", "ends-token")
    await world.outside.fetch("UPDATE connection SET refresh_token = access_token")
    ended = await disconnect(world, "alice", connection)
    assert ended.status == "disconnected"
    assert await world.outside.fetch("SELECT access_token, refresh_token FROM connection") == [(None, None)]
    assert await revocations(world, "status, material, due_at") == [("failed", None, None)]
    (told,) = world.said("revocation.failed")
    assert told["log_level"] == "error"


async def test_a_process_whose_key_others_lack_ends_nothing(world: World) -> None:
    connection = await connect(world, "alice", "ends-token")
    with pytest.raises(ServiceUnavailable):
        await disconnect_connection(
            world.context("alice", vault=Vault({"key": bytes(range(1, 33))})), connection.id, "alice"
        )
    assert await world.outside.value("SELECT status FROM connection") == "connected"


async def test_a_new_key_is_recorded_before_anything_is_sealed_with_it(world: World) -> None:
    connection = await connect(world, "alice", "ends-token")
    keys = {"new": bytes(range(1, 33)), "key": bytes(range(32))}
    await disconnect_connection(world.context("alice", vault=Vault(keys)), connection.id, "alice")
    assert await world.outside.fetch("SELECT key_id FROM vault_key ORDER BY key_id") == [("key",), ("new",)]


@pytest.mark.parametrize("slug", ["acme", "gone"])
async def test_what_can_not_be_revoked_is_said_at_once(world: World, slug: str) -> None:
    """Because the provider has no way, or is no longer in the catalogue."""
    connection = await connect(world, "alice", "acme")
    catalogue = world.resources.catalogue if slug == "acme" else {}
    await disconnect_connection(world.context("alice", catalogue=catalogue), connection.id, "alice")
    assert await revocations(world, "status, material, due_at") == [("unsupported", None, None)]


async def test_an_account_that_this_connection_holds_is_released(world: World) -> None:
    connections = {
        user: await connect(world, user, "ends-grant", account)
        for user, account in (("alice", "sam"), ("bob", "kim"), ("carol", "kim"))
    }
    await world.outside.fetch("DELETE FROM account_owner")
    owner = """INSERT INTO account_owner (provider, site, account, user_id, connection_id, created_at)
        SELECT provider, site, account, user_id, id, created_at FROM connection WHERE user_id <> 'carol'"""
    await world.outside.fetch(owner)
    for user, left in (("alice", ["kim"]), ("carol", ["kim"]), ("bob", [])):
        await disconnect(world, user, connections[user])
        assert [account for (account,) in await world.outside.fetch("SELECT account FROM account_owner")] == left


async def test_the_scope_to_write_is_needed(world: World) -> None:
    connection = await connect(world, "alice", "ends-token")
    for user in ("alice", None):
        with pytest.raises(InsufficientScope):
            await disconnect_connection(world.context(user, scopes=frozenset({READ})), connection.id, "alice")
    assert await world.events() == [
        *[("authorize", "ok"), ("complete", "ok")],
        *[("disconnect", "INSUFFICIENT_SCOPE")] * 2,
    ]


async def test_who_ended_it_is_stored(world: World) -> None:
    for user, reason in (("alice", StatusReason.BY_USER), (None, StatusReason.BY_SERVICE)):
        connection = await connect(world, "alice", "ends-token")
        await disconnect_connection(world.context(user), connection.id, "alice")
        assert await world.outside.value("SELECT status_reason FROM connection") == reason
    (shown,) = await list_connections(world.context("alice"), "alice")
    assert shown.status == "disconnected"


async def test_each_unknown_id_is_recorded_as_another_users_is(any_world: World) -> None:
    """An answer that waits for no row would come sooner, and show that the connection does not exist."""
    theirs = [(await any_world.connect("alice", slug)).id for slug in ("ends-token", "ends-grant")]
    unknown = [str(uuid4()) for _ in theirs]
    for connection_id in (*unknown, *theirs):
        with pytest.raises(ConnectionNotFound):
            await disconnect_connection(any_world.context("bob"), connection_id, "bob")
        told = await any_world.outside.fetch(
            "SELECT outcome FROM audit_event WHERE action = 'disconnect' AND connection_id = $1", connection_id
        )
        assert [outcome for (outcome,) in told] == ["CONNECTION_NOT_FOUND"]


async def test_each_time_a_service_ends_what_has_ended_is_recorded(world: World) -> None:
    """The answer shows the connection, so it is a read of another user's data. A user's repetitions are counted."""
    connection = await ended(world, "alice", "ends-token")
    for context in (world.context("alice"), world.context(None, scopes=frozenset({WRITE}))):
        for _ in range(3):
            assert (await disconnect_connection(context, connection.id, "alice")).id == connection.id
    told = await world.outside.fetch(
        "SELECT actor IS NULL, subject, count FROM audit_event"
        " WHERE action = 'disconnect' AND outcome = 'replayed' ORDER BY id"
    )
    subject = await world.resources.pseudonyms.of("alice")
    assert [tuple(row) for row in told] == [(False, subject, 1), *[(True, subject, 1)] * 3]
