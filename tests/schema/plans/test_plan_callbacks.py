"""How a callback fails, by a plan and by graphql-core's executor: the same bytes, the same log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from resolvers.context import Context
from tests.conftest import REDIRECT_URI, Person
from tests.databases import Database
from tests.schema.plans.both_ways import observe, runs_by_plan, with_plan, without_plan
from tests.schema.plans.world import COMPLETE, World

INPUT = {"provider": "sandbox", "code": "c", "state": "s", "redirectUri": REDIRECT_URI}

Case = Callable[[World, Context], Awaitable[dict[str, Any]]]


async def _denied(world: World, who: Context) -> dict[str, Any]:
    return await world.begin(who, decision="deny")


async def _never_given(world: World, who: Context) -> dict[str, Any]:
    return await world.begin(who) | {"code": f"never-given-{who.caller and who.caller.user}"}


async def _unreachable(world: World, who: Context) -> dict[str, Any]:
    return await world.begin(who, "unreachable")


def _always(**changes: Any) -> Case:
    async def case(_world: World, _who: Context) -> dict[str, Any]:
        return INPUT | changes

    return case


FAILURES: dict[str, Case] = {
    "VALIDATION_ERROR": _always(provider=""),
    "INVALID_STATE": _always(provider="oura"),
    "INVALID_GRANT": _never_given,
    "ACCESS_DENIED": _denied,
    "PROVIDER_NOT_FOUND": _always(provider="nobody"),
    "PROVIDER_UNAVAILABLE": _unreachable,
}


async def test_failures_of_a_callback(world: World, someone: Person, another: Person) -> None:
    """Two people, each by one way, so that neither finds what became of the other's."""
    for code, case in FAILURES.items():
        answers = [
            await observe(way(COMPLETE), {"input": await case(world, world.who(person.id))}, world.who(person.id))
            for way, person in ((with_plan, someone), (without_plan, another))
        ]
        assert answers[0].codes == [code]
        assert answers[0].body == answers[1].body
        assert [event["event"] for event in answers[0].log] == [event["event"] for event in answers[1].log]


async def test_a_provider_that_rejects_our_credentials(world: World, someone: Person, another: Person) -> None:
    answers: list[bytes] = []
    for way, person in ((with_plan, someone), (without_plan, another)):
        callback = await world.begin(world.rejected(person.id))
        answer = await observe(way(COMPLETE), {"input": callback}, world.rejected(person.id))
        assert answer.codes == ["PROVIDER_MISCONFIGURED"]
        answers.append(answer.body)
    assert answers[0] == answers[1]


async def test_mutations_run_one_after_the_other(world: World, world_database: Database, someone: Person) -> None:
    """What follows the one that failed is not begun, though it would be done long before the provider answers."""
    who = world.who(someone.id)
    callback = await _never_given(world, who)
    document = """mutation($callback: CompleteConnectionInput!, $next: AuthorizeConnectionInput!) {
        completeConnection(input: $callback) { connection { id } } authorizeConnection(input: $next) { url } }"""
    variables = {"callback": callback, "next": {"provider": "oura", "redirectUri": REDIRECT_URI}}
    assert runs_by_plan(document, variables)
    answers = [await observe(way(document), variables, who) for way in (with_plan, without_plan)]
    assert answers[0].codes == ["INVALID_GRANT"]
    assert answers[0].body == answers[1].body
    assert await world_database.value("SELECT count(*) FROM authorization_request WHERE provider = 'oura'") == 0
