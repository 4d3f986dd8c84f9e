"""Reading connections: one's own, another's, and a service's reads, which are recorded before they are answered."""

from __future__ import annotations

from uuid import uuid4

import pytest
from msgspec.structs import replace

from models.connection import ListedConnection, StoredConnection
from models.database import DatabaseDown
from resolvers.caller import READ, WRITE
from resolvers.connections import find_connection, list_connections
from resolvers.context import Context
from resolvers.errors import Forbidden, InsufficientScope, Problem, Unauthenticated
from tests.resolvers.failing_database import RECORD
from tests.resolvers.world import World

UNKNOWN = "0190163d-8694-739b-aea5-966c26f8ad91"
READS = "actor, client_id, subject, provider, connection_id, outcome"


async def reads(world: World) -> list[tuple[object, ...]]:
    """The rows about reads, with users' names in place of their pseudonyms."""
    names = {await world.resources.pseudonyms.of(user): user for user in ("alice", "bob")}
    told = await world.outside.fetch(f"SELECT {READS} FROM audit_event WHERE action = 'read' ORDER BY id")
    return [
        (names.get(actor, actor), client, names.get(subject, subject), provider, str(id_ or ""), outcome)
        for actor, client, subject, provider, id_, outcome in told
    ]


def service(world: World) -> Context:
    return world.context(None, scopes=frozenset({READ}))


async def code(context: Context, *, user_id: str | None = None, connection_id: str = "") -> str:
    """The code with which reading a user's list, or else one connection, is refused."""
    try:
        if user_id is None:
            await find_connection(context, connection_id)
        else:
            await list_connections(context, user_id)
    except Problem as problem:
        return problem.code
    raise AssertionError("it was not refused")


async def test_a_user_reads_the_own_connections_in_order_and_unrecorded(world: World) -> None:
    connected: list[StoredConnection] = [await world.connect("alice", slug) for slug in ("other", "acme")]
    await world.connect("bob")
    context = world.context("alice", scopes=frozenset({READ}))
    assert await list_connections(context, "alice") == connected
    listed = await list_connections(context, "alice", in_full=False)
    assert [(type(one), one.id) for one in listed] == [(ListedConnection, one.id) for one in connected]
    assert await find_connection(context, connected[0].id) == connected[0]
    assert await reads(world) == []


async def test_a_service_reads_a_named_users_connections_and_is_recorded(world: World) -> None:
    connection = await world.connect("alice")
    await world.connect("bob")
    assert await list_connections(service(world), "alice") == [connection]
    assert await find_connection(service(world), connection.id) == connection
    assert await reads(world) == [
        (None, "app", "alice", None, "", "ok"),
        (None, "app", "alice", "acme", connection.id, "ok"),
    ]


async def test_each_read_of_a_service_is_recorded(any_world: World) -> None:
    for _ in range(3):
        await list_connections(service(any_world), "alice")
    assert await reads(any_world) == [(None, "app", "alice", None, "", "ok")] * 3


@pytest.mark.parametrize("one", [False, True])
async def test_a_read_that_can_not_be_recorded_is_not_answered(any_world: World, *, one: bool) -> None:
    connection = await any_world.connect("alice")
    any_world.database.fail(RECORD)
    with pytest.raises(DatabaseDown):
        await (
            find_connection(service(any_world), connection.id) if one else list_connections(service(any_world), "alice")
        )


async def test_another_users_connections_are_refused_and_that_is_recorded(world: World) -> None:
    connection = await world.connect("alice")
    assert await code(world.context("bob"), user_id="alice") == "FORBIDDEN"
    assert await code(world.context("bob"), connection_id=connection.id) == "CONNECTION_NOT_FOUND"
    assert await reads(world) == [
        ("bob", "app", "alice", None, "", "FORBIDDEN"),
        ("bob", "app", "alice", "acme", connection.id, "CONNECTION_NOT_FOUND"),
    ]


async def test_what_is_not_there_looks_like_anothers(world: World) -> None:
    await world.connect("alice")
    assert await code(world.context("bob"), connection_id=UNKNOWN) == "CONNECTION_NOT_FOUND"
    assert await code(world.context("bob"), connection_id="no id") == "CONNECTION_NOT_FOUND"
    assert await code(service(world), connection_id=UNKNOWN) == "CONNECTION_NOT_FOUND"
    assert await reads(world) == [
        ("bob", "app", "bob", None, UNKNOWN, "CONNECTION_NOT_FOUND"),
        (None, "app", None, None, UNKNOWN, "CONNECTION_NOT_FOUND"),
    ]


async def test_each_unknown_id_is_recorded_as_another_users_is(any_world: World) -> None:
    """An answer that waits for no row would come sooner, and show that the connection does not exist."""
    theirs = [(await any_world.connect("alice", slug)).id for slug in ("acme", "other")]
    unknown = [str(uuid4()) for _ in theirs]
    for connection_id in (*unknown, *theirs):
        before = len(await reads(any_world))
        assert await code(any_world.context("bob"), connection_id=connection_id) == "CONNECTION_NOT_FOUND"
        assert len(await reads(any_world)) == before + 1


@pytest.mark.parametrize(
    ("user_id", "message"),
    [
        ("", "userId must not be empty."),
        ("x" * 256, "userId must have at most 255 characters."),
        ("a\0", "userId must not hold control characters."),
    ],
)
async def test_a_malformed_user_id(any_world: World, user_id: str, message: str) -> None:
    with pytest.raises(Problem) as raised:
        await list_connections(any_world.context("bob"), user_id)
    assert (raised.value.code, raised.value.message) == ("VALIDATION_ERROR", message)


async def test_the_longest_user_id(any_world: World) -> None:
    assert await list_connections(any_world.context("x" * 255), "x" * 255) == []


@pytest.mark.parametrize("one", [False, True])
async def test_who_may_not_read_at_all(any_world: World, *, one: bool) -> None:
    """It is recorded of whom a list was asked, if the caller is known."""
    connection = await any_world.connect("alice")
    asked = {"connection_id": connection.id} if one else {"user_id": "alice"}
    nobody = replace(any_world.context("bob"), caller=None)
    assert await code(nobody, **asked) == Unauthenticated.code
    assert await reads(any_world) == []
    writer = any_world.context("bob", scopes=frozenset({WRITE}))
    assert await code(writer, **asked) == InsufficientScope.code
    assert await reads(any_world) == [("bob", "app", "bob" if one else "alice", None, "", "INSUFFICIENT_SCOPE")]


async def test_forbidden_is_decided_before_anything_is_looked_up(any_world: World) -> None:
    assert await code(any_world.context("bob"), user_id="nobody") == Forbidden.code
    assert any_world.database.count("FROM connection") == 0
