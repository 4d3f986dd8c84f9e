"""Every kind of error by a plan and by graphql-core's executor: the same bytes, the same log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from models.database import Limits
from resolvers.caller import READ, WRITE
from tests.conftest import REDIRECT_URI, Person
from tests.databases import Database, create_migrated_file
from tests.sandbox_control import Sandbox
from tests.schema.plans.both_ways import observe_both, runs_by_plan
from tests.schema.plans.world import AUTHORIZE, COMPLETE, LIST, World, connected, open_world

INPUT = {"provider": "sandbox", "code": "c", "state": "s", "redirectUri": REDIRECT_URI}


async def test_missing_permissions(world: World, someone: Person) -> None:
    reads, writes = (world.who(someone.id, scopes=frozenset({scope})) for scope in (READ, WRITE))
    service = world.who(None)
    unknown = '{ connection(id: "00000000-0000-7000-8000-000000000000") { id } }'
    for document, variables, who, code in (
        (COMPLETE, {"input": INPUT}, reads, "INSUFFICIENT_SCOPE"),
        (AUTHORIZE, {"input": {"provider": "oura", "redirectUri": "x:y"}}, reads, "INSUFFICIENT_SCOPE"),
        (LIST, {"userId": someone.id}, writes, "INSUFFICIENT_SCOPE"),
        (LIST, {"userId": "somebody-else"}, reads, "FORBIDDEN"),
        (COMPLETE, {"input": INPUT}, service, "FORBIDDEN"),
        (LIST, {"userId": "x"}, world.nobody(), "UNAUTHENTICATED"),
        (unknown, None, reads, "CONNECTION_NOT_FOUND"),
        ('{ connection(id: "x") { id } provider(slug: "x") { id } }', None, world.hasty(someone.id), "RATE_LIMITED"),
    ):
        assert (await observe_both(document, variables, who)).codes == [code]


async def test_nulls_propagate(world: World, someone: Person) -> None:
    """A root field that must not be null takes all data with it; one that may be leaves its siblings."""
    reads = world.who(someone.id, scopes=frozenset({READ}))
    lost = "{ connection(id: 1) { id } a: provider(slug: 1) { id } connections(userId: 2) { id } providers { id } }"
    lost = lost.replace("slug: 1", 'slug: "x"')
    assert (await observe_both(lost, None, reads)).codes == ["PROVIDER_NOT_FOUND", "CONNECTION_NOT_FOUND", "FORBIDDEN"]
    kept = '{ a: connection(id: 1) { id } b: provider(slug: "x") { id } connections(userId: "%s") { id } __typename }'
    found = await observe_both(kept % someone.id, None, reads)
    assert sorted(found.codes) == ["CONNECTION_NOT_FOUND", "PROVIDER_NOT_FOUND"]
    assert found.body.endswith(b'"data":{"a":null,"b":null,"connections":[],"__typename":"Query"}}')


async def test_a_field_that_is_selected_twice_fails_once(world: World, someone: Person) -> None:
    document = '{ provider(slug: "x") { slug }\n provider(slug: "x") { name } }'
    answer = await observe_both(document, None, world.who(someone.id))
    assert b'"locations":[{"line":1,"column":3},{"line":2,"column":2}],"path":["provider"]' in answer.body


async def test_unexpected_exceptions(world: World, someone: Person) -> None:
    broken = world.broken(someone.id)
    for document, count in (
        ("{ providers { slug } }", 1),
        ('{ a: provider(slug: "x") { slug } b: provider(slug: "y") { slug } }', 2),
        ('{ connections(userId: "%s") { id } providers { slug } }' % someone.id, 1),
    ):
        answer = await observe_both(document, None, broken)
        assert answer.codes == ["INTERNAL_ERROR"] * count
        assert [event["event"] for event in answer.log] == ["fault"] * count + ["problem"]


async def test_an_exception_within_a_list(world: World, someone: Person) -> None:
    """What a connection says of its provider may be null, the connection itself must not."""
    await connected(world, someone.id)
    await connected(world, someone.id, "oura")
    document = "query($user: ID!) { connections(userId: $user) { id\n its: provider { slug available } } }"
    answer = await observe_both(document, {"user": someone.id}, world.without_catalogue(someone.id))
    assert answer.codes == ["INTERNAL_ERROR"] * 2
    assert b'"locations":[{"line":2,"column":2}],"path":["connections",1,"its"]' in answer.body


async def test_an_exception_below_a_nullable_field(world: World, someone: Person) -> None:
    """`available` must not be null: a connection's provider is null in its place, or all the data is."""
    await connected(world, someone.id)
    who = world.half_broken(someone.id)
    mine = "query($user: ID!) { connections(userId: $user) { provider { slug available } id } }"
    kept = await observe_both(mine, {"user": someone.id}, who)
    assert b'"path":["connections",0,"provider","available"]' in kept.body
    assert b'"data":{"connections":[{"provider":null,"id":' in kept.body
    lost = await observe_both("{ providers { a: available b: available } }", None, who)
    assert lost.codes == ["INTERNAL_ERROR"]
    assert lost.body.endswith(b'"data":null}')


async def test_a_null_in_a_list_of_strings(world: World, world_database: Database, someone: Person) -> None:
    await connected(world, someone.id)
    await world_database.fetch("UPDATE connection SET granted_scopes = '[\"a\", null]' WHERE user_id = $1", someone.id)
    document = "query($user: ID!) { connections(userId: $user) { its: grantedScopes } }"
    answer = await observe_both(document, {"user": someone.id}, world.who(someone.id))
    assert answer.codes == ["INTERNAL_ERROR"]
    assert b'"path":["connections",0,"its",1]' in answer.body


async def test_invalid_requests(world: World, someone: Person) -> None:
    """Documents, names and variables: nothing of it runs, and the executor says why."""
    who = world.who(someone.id)
    listing = "query A($userId: ID!) { connections(userId: $userId) { id } } query B { __typename }"
    for document, variables, name in (
        ("{", None, None),
        ("{ nothing }", None, None),
        (listing, {"userId": "x"}, None),
        (listing, {}, "A"),
        (listing, {"userId": None}, "A"),
        (listing, {"userId": True}, "A"),
        (COMPLETE, None, None),
        (COMPLETE, {"input": "x"}, None),
        (COMPLETE, {"input": INPUT | {"code": 1}}, None),
        (COMPLETE, {"input": INPUT | {"code": None}}, None),
        (COMPLETE, {"input": INPUT | {"unknown": "x"}}, None),
        (COMPLETE, {"input": {"provider": "x"}}, None),
        ('query($s: String = "x") { provider(slug: $s) { id } }', {"s": None}, None),
    ):
        assert not runs_by_plan(document, variables, name)
        answer = await observe_both(document, variables, who, name)
        assert set(answer.codes) == {"VALIDATION_ERROR"}
    assert (await observe_both(listing, {"userId": someone.id}, who, "A")).codes == []


async def test_a_locked_database(tmp_path: Path, sandbox: Sandbox, settings: dict[str, str], someone: Person) -> None:
    file = create_migrated_file(tmp_path / "tendon.db")
    async with open_world(f"sqlite://{file}", sandbox, settings, Limits(seconds=0.2)) as world:
        with closing(sqlite3.connect(file, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            variables = {"input": {"provider": "sandbox", "redirectUri": REDIRECT_URI}}
            answer = await observe_both(AUTHORIZE, variables, world.who(someone.id))
    assert answer.codes == ["SERVICE_UNAVAILABLE"]
    assert b'"retryAfter":1' in answer.body
