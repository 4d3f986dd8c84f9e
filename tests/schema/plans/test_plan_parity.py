"""Every operation by its plan and by graphql-core's executor: the same bytes, the same log."""

from __future__ import annotations

import re
from typing import Any

from graphql import get_named_type, is_leaf_type

from resolvers.caller import READ_AUDIT
from tests.conftest import REDIRECT_URI, Person
from tests.schema.plans.both_ways import EXECUTOR, observe, observe_both, runs_by_plan, with_plan, without_plan
from tests.schema.plans.world import AUTHORIZE, COMPLETE, LIST, World, connected

EVERYTHING = """
    id userId providerId providerSlug status lastSyncAt createdAt requestedScopes grantedScopes accountId updatedAt
    provider { id slug name docs scopes available __typename } __typename"""


async def test_every_query(world: World, someone: Person) -> None:
    for slug in ("sandbox", "oura", "strava"):
        await connected(world, someone.id, slug)
    who = world.who(someone.id)
    listed = await observe_both(LIST, {"userId": someone.id}, who)
    first = re.findall(rb'"id":"([^"]+)"', listed.body)[0].decode()
    document = """query Everything($user: ID!, $id: ID!, $slug: String = "oura") {
        __typename providers { ...P } provider(slug: $slug) { ...P }
        mine: connections(userId: $user) { %s } connection(id: $id) { %s }
    } fragment P on Provider { id slug name docs scopes available __typename }"""
    found = await observe_both(document % (EVERYTHING, EVERYTHING), {"user": someone.id, "id": first}, who)
    assert (found.codes, found.body.count(b'"userId":')) == ([], 4)
    assert runs_by_plan(document % (EVERYTHING, EVERYTHING), {"user": someone.id, "id": first})


async def test_every_field_of_a_listed_connection(world: World, someone: Person) -> None:
    """Each alone, since a plan reads from the database what the selected fields need."""
    await connected(world, someone.id)
    kind: Any = EXECUTOR.graphql.type_map["Connection"]
    for name, field in kind.fields.items():
        members = "" if is_leaf_type(get_named_type(field.type)) else "{ __typename }"
        document = "query($user: ID!) { connections(userId: $user) { %s %s } }" % (name, members)
        found = await observe_both(document, {"user": someone.id}, world.who(someone.id))
        assert (found.codes, list(found.data["connections"][0])) == ([], [name])


async def test_the_audit_trail(world: World, someone: Person) -> None:
    """Not its own records, of which each run adds one."""
    await connected(world, someone.id)
    document = """query Trail($user: ID, $action: String, $first: Int, $after: String) {
        auditEvents(userId: $user, action: $action, first: $first, after: $after) { events {
            at action outcome actor actorPseudonym clientId subject subjectPseudonym provider connectionId scopes count
            requestId __typename } next } }"""
    who = world.who(None, scopes=frozenset({READ_AUDIT}))
    for variables, events in (({"first": 1}, 1), ({"first": 9, "after": None}, 1), ({"first": 0}, 0)):
        wanted = {"user": someone.id, "action": "complete", **variables}
        found = await observe_both(document, wanted, who)
        assert (found.codes, found.body.count(b'"at":')) == ([] if events else ["VALIDATION_ERROR"], events)
        assert runs_by_plan(document, wanted)
    refused = await observe_both("{ auditEvents { next } }", {}, world.who(someone.id))
    assert (refused.codes, refused.data) == (["INSUFFICIENT_SCOPE"], {"auditEvents": None})


async def test_a_repeated_callback(world: World, someone: Person) -> None:
    callback = await connected(world, someone.id)
    assert (await observe_both(COMPLETE, {"input": callback}, world.who(someone.id))).codes == []
    literal = ", ".join(f'{name}: "{value}"' for name, value in callback.items() if name != "code")
    document = "mutation($c: String!) { completeConnection(input: {%s, code: $c}) { connection { %s } } }"
    again = await observe_both(document % (literal, EVERYTHING), {"c": callback["code"]}, world.who(someone.id))
    assert again.codes == []
    assert runs_by_plan(document % (literal, EVERYTHING), {"c": callback["code"]})
    assert len(await world.sandbox.exchanges(callback["code"])) == 1


async def test_an_authorization(world: World, someone: Person) -> None:
    variables = {"input": {"provider": "sandbox", "redirectUri": REDIRECT_URI}}
    bodies: list[bytes] = []
    for way in (with_plan, without_plan):
        answer = await observe(way(AUTHORIZE), variables, world.who(someone.id))
        assert answer.codes == []
        bodies.append(re.sub(rb'(state=|challenge=|"state":")[\w-]+', rb"\1", answer.body))
    assert bodies[0] == bodies[1]
    assert b'"state":""' in bodies[0]
