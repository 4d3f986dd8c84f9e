"""Why an operation is not run: what is said first, what is counted, recorded and logged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from models.database import Database, DatabaseDown
from models.statement import Statement
from resolvers.caller import Caller
from resolvers.context import Context
from resolvers.errors import RateLimited
from rest.routes import ROUTES
from schema.execution import Executor, Outcome
from tests.schema.contexts import public_context
from tests.schema.execution_context import CLOSED, OPEN, POWERLESS, codes, messages, open_resources

DOCUMENTS = {route.operation: route.document for route in ROUTES}
WHOLE = {"provider": "oura", "code": "c", "state": "s", "redirectUri": "https://app.example/cb"}
QUERY = "{ providers { slug } }"
PRIVATE = "{ connections(userId: 1) { id } }"
MUTATION = 'mutation { authorizeConnection(input: {provider: "x", redirectUri: "y"}) { url } }'


async def refused(document: str, caller: Caller | None = POWERLESS, **options: Any) -> tuple[str, str]:
    """Code and message of the only failure. Nothing was run."""
    outcome = await CLOSED.run(document, None, public_context(caller), **options)
    assert (outcome.data, outcome.executed, len(outcome.failures)) == (None, False, 1)
    return codes(outcome)[0], messages(outcome)[0]


async def test_what_is_refused_before_anything_else() -> None:
    for caller in (POWERLESS, None):
        assert await refused("", caller) == ("VALIDATION_ERROR", "query must not be empty.")
        assert await refused("fragment F on Query { nothing }", caller) == (
            "VALIDATION_ERROR",
            "query must contain an operation.",
        )
        for document in (QUERY, PRIVATE, "query A { nothing }"):
            assert await refused(document, caller, operation_name="B") == (
                "VALIDATION_ERROR",
                "operationName must name an operation of the document.",
            )
        for document in ("subscription { a }", "subscription { providers { slug } }"):
            assert await refused(document, caller) == ("VALIDATION_ERROR", "There are no subscriptions here.")


async def test_a_mutation_where_only_queries_are_run() -> None:
    """It is refused before it is validated, with or without a token."""
    for caller in (POWERLESS, None):
        for document in (MUTATION, "mutation { nothing }", "mutation M { __typename }"):
            code, _ = await refused(document, caller, read_only=True)
            assert code == "METHOD_NOT_ALLOWED"
            assert (await CLOSED.run(document, None, public_context(caller))).problem != code
        several = "query Q { __typename } mutation M { __typename }"
        assert (await refused(several, caller, operation_name="M", read_only=True))[0] == "METHOD_NOT_ALLOWED"
        assert (await CLOSED.run(several, None, public_context(caller), operation_name="Q", read_only=True)).data
        # Which of the two is meant cannot be told.
        mixed = "mutation { __typename } query Q { __typename }"
        assert (await refused(mixed, caller, read_only=True))[0] == "VALIDATION_ERROR"
        assert (await CLOSED.run("mutation { __typename }", None, public_context(caller))).data


async def test_several_operations_without_a_name() -> None:
    several = "query A { __typename } query B { __typename }"
    message = "operationName is required: the document has several operations."
    assert await refused(several) == ("VALIDATION_ERROR", message)
    # What is wrong with the document is said first.
    for wrong in (several.replace("B", "A"), several.replace("__typename }", "nothing }", 1)):
        assert (await refused(wrong))[1] != message
    chosen = await CLOSED.run(several, None, public_context(), operation_name="B")
    assert (chosen.data, chosen.executed) == ({"__typename": "Query"}, True)


async def test_errors_of_the_document_come_before_the_want_of_a_token() -> None:
    assert (await refused(PRIVATE, None))[0] == "UNAUTHENTICATED"
    assert (await refused("{ providers { nothing } }", None))[0] == "VALIDATION_ERROR"
    assert (await refused(PRIVATE.replace("id }", "nothing }")))[0] == "VALIDATION_ERROR"


async def spent(document: str, caller: Caller | None = POWERLESS, **options: Any) -> tuple[list[int], Outcome]:
    counted: list[int] = []
    context = replace(public_context(caller), spend=counted.append)
    return counted, await CLOSED.run(document, None, context, **options)


async def test_each_root_field_counts() -> None:
    """The first was counted when the request arrived. What is not run counts nothing."""
    for document, expected in {
        QUERY: [],
        "{ a: __typename b: __typename }": [1],
        "{ a: __typename ...F } fragment F on Query { b: providers { slug } c: __typename }": [2],
        "{ nothing b: __typename }": [],
        "subscription { a b }": [],
        "{ %s }" % " ".join(f"a{number}: __typename" for number in range(6)): [],
    }.items():
        assert (await spent(document))[0] == expected
    assert (await spent("{ a: connections(userId: 1) { id } b: connections(userId: 2) { id } }", None))[0] == []
    assert (await spent("mutation { a: __typename b: __typename }", read_only=True))[0] == []


async def test_beyond_the_rate_limit_nothing_runs() -> None:
    def spend(_operations: int) -> None:
        raise RateLimited(retry_after=7)

    context = replace(public_context(), spend=spend)
    outcome = await CLOSED.run("{ a: __typename b: __typename }", None, context)
    assert (codes(outcome), outcome.data, outcome.executed) == (["RATE_LIMITED"], None, False)
    assert outcome.failures[0].formatted["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 7}
    assert (await CLOSED.run(QUERY, None, context)).data


async def test_how_failures_are_shown() -> None:
    async def shown(document: str, **options: Any) -> list[dict[str, Any]]:
        outcome = await OPEN.run(document, None, public_context(), **options)
        return [failure.formatted for failure in outcome.failures]

    code = {"code": "VALIDATION_ERROR"}
    assert await shown("") == [{"message": "query must not be empty.", "extensions": code}]
    assert [failure.keys() for failure in await shown("{ nothing }")] == [{"message", "locations", "extensions"}]
    assert (await shown("{\n nothing }"))[0]["locations"] == [{"line": 2, "column": 2}]
    # An error of the whole document has no place.
    assert await shown("#\n" * 1000 + "{ __typename }") == [
        {"message": "The document has more than 1000 lines.", "extensions": code}
    ]
    found = await shown('{ its: provider(slug: "nobody") { slug } }')
    assert [(failure["path"], failure["locations"]) for failure in found] == [(["its"], [{"line": 1, "column": 3}])]


async def test_what_was_run_in_part_has_data() -> None:
    document = '{ provider(slug: "nobody") { slug } __typename }'
    outcome = await CLOSED.run(document, None, public_context())
    assert (outcome.data, outcome.executed) == ({"provider": None, "__typename": "Query"}, True)
    assert outcome.problem is not None
    assert outcome.problem.code == "PROVIDER_NOT_FOUND"
    nothing: Any = None
    with capture_logs():
        lost = await CLOSED.run(QUERY, None, Context(nothing, POWERLESS, request_id="test"))
    # It was run, though a field that must not be null took all the data with it.
    assert (codes(lost), lost.data, lost.executed) == (["INTERNAL_ERROR"], None, True)
    fine = await CLOSED.run(QUERY, None, public_context())
    assert (fine.executed, fine.failures, fine.problem) == (True, (), None)


async def test_the_log_has_codes_and_counts_only() -> None:
    for document, code, count in (
        ("", "VALIDATION_ERROR", 1),
        ("{ CANARY1 CANARY2 }", "VALIDATION_ERROR", 2),
        ('{ provider(slug: "CANARY") { slug } }', "PROVIDER_NOT_FOUND", 1),
    ):
        with capture_logs() as events:
            await CLOSED.run(document, None, public_context())
        assert events == [{"event": "problem", "code": code, "errors": count, "log_level": "info"}]
    with capture_logs() as events:
        await CLOSED.run(QUERY, None, public_context())
    assert events == []


_EVENTS = Statement("SELECT action, outcome FROM audit_event ORDER BY id")


async def rows(database: Database) -> list[tuple[str, str]]:
    return [(action, outcome) for action, outcome in await _EVENTS.rows(database)]


async def recorded(
    database: Database, document: str, variables: Mapping[str, Any], caller: Caller | None = POWERLESS
) -> list[tuple[str, str]]:
    """The rows that a request adds. Its own resources, so that no row of an earlier one counts for it."""
    before = await rows(database)
    resources = open_resources(database)
    outcome = await CLOSED.run(document, variables, Context(resources, caller, request_id="test"))
    assert outcome.failures
    await resources.repeats.close()
    return (await rows(database))[len(before) :]


async def test_mutations_that_are_denied_for_their_variables_are_recorded(database: Database) -> None:
    complete, authorize = DOCUMENTS["CompleteConnection"], DOCUMENTS["AuthorizeConnection"]
    assert await recorded(database, complete, {"input": WHOLE | {"code": 5}}) == [("complete", "VALIDATION_ERROR")]
    assert await recorded(database, authorize, {}) == [("authorize", "VALIDATION_ERROR")]
    both = """mutation($i: CompleteConnectionInput!, $j: AuthorizeConnectionInput!) { __typename
        completeConnection(input: $i) { connection { id } } authorizeConnection(input: $j) { url } }"""
    assert await recorded(database, both, {"i": 5}) == [
        ("complete", "VALIDATION_ERROR"),
        ("authorize", "VALIDATION_ERROR"),
    ]
    # Queries are not, nor documents that are not valid, nor what came without a token.
    assert await recorded(database, DOCUMENTS["ListConnections"], {}) == []
    assert await recorded(database, complete.replace("id\n", "nothing\n"), {}) == []
    assert await recorded(database, complete, {}, None) == []


class _Broken:
    """A database that fails in one way."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        raise self._fault


@pytest.mark.parametrize(
    ("fault", "code"), [(DatabaseDown("gone"), "SERVICE_UNAVAILABLE"), (ValueError("a bug"), "INTERNAL_ERROR")]
)
async def test_a_denial_that_cannot_be_recorded(fault: Exception, code: str) -> None:
    broken: Any = _Broken(fault)
    resources = open_resources(broken)
    context = Context(resources, POWERLESS, request_id="test")
    with capture_logs() as events:
        outcome = await CLOSED.run(DOCUMENTS["CompleteConnection"], {}, context)
    assert (codes(outcome), outcome.data, outcome.executed) == ([code], None, False)
    assert events[-1]["event"] == "problem"
    await resources.repeats.close()


def test_what_an_executor_knows_of_its_own_documents() -> None:
    executor = Executor(explore=False)
    complete, listing = (executor.read(DOCUMENTS[name]) for name in ("CompleteConnection", "ListConnections"))
    assert executor.members(complete) == {*WHOLE, "iss", "scope", "error"}
    assert executor.members(listing) == {"userId"}
    assert executor.members(executor.read("query A { __typename } query B { __typename }")) == frozenset()
    assert executor.requires_caller(complete)
    assert executor.requires_caller(listing)
    assert not executor.requires_caller(executor.read(QUERY))
    assert not executor.requires_caller(executor.read("fragment F on Query { __typename }"))
