"""Which operations have plans, and which are left to graphql-core's executor."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_introspection_query

from schema.execution import Executor
from tests.schema.plans.both_ways import EXECUTOR, runs_by_plan, with_plan
from tests.schema.plans.world import DOCUMENTS

INPUT = {"provider": "oura", "code": "c", "state": "s", "redirectUri": "https://app.example/cb"}
VARIABLES: dict[str, dict[str, Any]] = {
    "CompleteConnection": {"input": INPUT | {"iss": "i", "scope": None}},
    "AuthorizeConnection": {"input": {"provider": "oura", "redirectUri": "https://app.example/cb"}},
    "IssueAccessToken": {"input": {"connectionId": "c", "scopes": ["a", "b"], "rejectedToken": None}},
    "ListConnections": {"userId": "alice"},
    "DisconnectConnection": {"input": {"connectionId": "c", "userId": "alice"}},
}


@pytest.mark.parametrize("operation", DOCUMENTS)
def test_the_operations_of_rest_have_plans(operation: str) -> None:
    assert runs_by_plan(DOCUMENTS[operation], VARIABLES[operation])


def test_documents_of_clients_have_plans_at_their_first_use() -> None:
    documents = Executor(explore=False)._documents
    assert documents.get(DOCUMENTS["ListConnections"]).operations["ListConnections"].plan is not None


@pytest.mark.parametrize(
    "document",
    [
        get_introspection_query(),
        '{ __type(name: "Query") { name } }',
        "query($without: Boolean!) { providers { slug @skip(if: $without) } }",
        "query($with: Boolean!) { providers { slug ...F @include(if: $with) } } fragment F on Provider { name }",
    ],
)
def test_operations_that_plans_do_not_cover(document: str) -> None:
    assert with_plan(document).errors == []
    assert not runs_by_plan(document, {"without": False, "with": True})


@pytest.mark.parametrize(
    "document",
    [
        "{ __typename }",
        "{ providers { slug @skip(if: true) name @include(if: true) ... @skip(if: false) { id } } }",
        "{ providers { ...F ... on Provider { slug } } } fragment F on Provider { slug its: name }",
        '{ provider(slug: "oura") { slug } provider(slug: "oura") { name } }',
        'mutation { authorizeConnection(input: {provider: "x", redirectUri: "y"}) { __typename } __typename }',
        'query($slug: String = "oura") { provider(slug: $slug) { slug } }',
    ],
)
def test_operations_that_plans_cover(document: str) -> None:
    assert with_plan(document).errors == []
    assert runs_by_plan(document, None)


def test_invalid_documents_have_no_plans() -> None:
    document = EXECUTOR.read("{ nothing }")
    assert [operation.plan for operation in document.operations.values()] == [None]


@pytest.mark.parametrize("doubtful", [None, {}, "x", [INPUT], INPUT | {"code": 5}, INPUT | {"a": "b"}, {"code": "c"}])
def test_variables_that_are_perhaps_not_valid_are_left_to_the_executor(doubtful: Any) -> None:
    assert not runs_by_plan(DOCUMENTS["CompleteConnection"], {"input": doubtful})
    assert not runs_by_plan(DOCUMENTS["CompleteConnection"], {})


def test_several_operations_have_no_plans() -> None:
    """Each would repeat them, so that a small text could fill the memory."""
    fields = "".join(f" a{number}: slug" for number in range(10))
    several = "".join(f" query q{number} {{ ...F }}" for number in range(15))
    document = Executor(explore=False).read(f"fragment F on Query {{ providers {{ {fields} }} }} {several}")
    assert not document.errors
    assert {operation.plan for operation in document.operations.values()} == {None}
    assert Executor(explore=False).read("{ providers { slug } }").operations[None].plan
