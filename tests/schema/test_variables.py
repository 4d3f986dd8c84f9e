"""What is said about variables: one sentence each, the member's own name, never the value."""

from __future__ import annotations

from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, parse
from hypothesis import example, given
from hypothesis import strategies as st

from rest.routes import ROUTES
from schema.variables import complaints as complaints_of
from tests.schema.execution_context import CLOSED, OPEN, codes, messages, run, shown

# Who is turned away leaves a row in the audit trail.
pytestmark = pytest.mark.usefixtures("database")

DOCUMENTS = {route.operation: route.document for route in ROUTES}
COMPLETE, AUTHORIZE = DOCUMENTS["CompleteConnection"], DOCUMENTS["AuthorizeConnection"]
LIST = DOCUMENTS["ListConnections"]
WHOLE = {"provider": "oura", "code": "c", "state": "s", "redirectUri": "https://app.example/cb"}
REFUSED = ["INSUFFICIENT_SCOPE"]
WRONG = [5, 5.5, True, [], ["CANARY"], {}, {"CANARY": "CANARY"}]


async def complaints(document: str, variables: dict[str, Any] | None, **options: Any) -> list[str]:
    outcome = await run(document, variables, **options)
    assert set(codes(outcome)) == {"VALIDATION_ERROR"}
    assert not outcome.executed
    assert outcome.data is None
    assert "CANARY" not in shown(outcome)
    return messages(outcome)


@pytest.mark.parametrize("document", [COMPLETE, AUTHORIZE], ids=["complete", "authorize"])
async def test_an_input_that_is_no_object(document: str) -> None:
    assert await complaints(document, None) == ["input is required."]
    assert await complaints(document, {}) == ["input is required."]
    assert await complaints(document, {"input": None}) == ["input is required."]
    assert await complaints(document, {"CANARY": WHOLE}) == ["input is required."]
    for value in ("CANARY", 5, 5.5, True, [], ["CANARY"], [WHOLE]):
        assert await complaints(document, {"input": value}) == ["input must be an object."]


@pytest.mark.parametrize("member", WHOLE)
async def test_a_required_member(member: str) -> None:
    without = {name: value for name, value in WHOLE.items() if name != member}
    assert await complaints(COMPLETE, {"input": without}) == [f"{member} is required."]
    assert await complaints(COMPLETE, {"input": WHOLE | {member: None}}) == [f"{member} is required."]
    for value in WRONG:
        assert await complaints(COMPLETE, {"input": WHOLE | {member: value}}) == [f"{member} must be a string."]


@pytest.mark.parametrize("member", ["iss", "scope", "error"])
async def test_an_optional_member(member: str) -> None:
    for value in (None, "", "x"):
        assert codes(await run(COMPLETE, {"input": WHOLE | {member: value}})) == REFUSED
    for value in WRONG:
        assert await complaints(COMPLETE, {"input": WHOLE | {member: value}}) == [f"{member} must be a string."]


async def test_everything_that_is_wrong_is_said() -> None:
    names = ["provider", "code", "state", "redirectUri"]
    assert await complaints(COMPLETE, {"input": {}}) == [f"{name} is required." for name in names]
    mixed = {"provider": 1, "code": None, "state": "s", "redirectUri": [], "CANARY": "CANARY"}
    assert await complaints(COMPLETE, {"input": mixed}) == [
        "provider must be a string.",
        "code is required.",
        "redirectUri must be a string.",
        "input has a member that CompleteConnectionInput does not have.",
    ]


async def test_an_unknown_member() -> None:
    for executor in (CLOSED, OPEN):
        for member in ("CANARY", "codeCANARY", "provide", ""):
            told = await complaints(COMPLETE, {"input": WHOLE | {member: "CANARY"}}, executor=executor)
            assert told == ["input has a member that CompleteConnectionInput does not have."]


async def test_an_id() -> None:
    assert await complaints(LIST, {}) == ["userId is required."]
    assert await complaints(LIST, {"userId": None}) == ["userId is required."]
    for value in WRONG[1:]:
        assert await complaints(LIST, {"userId": value}) == ["userId must be a string."]
    # Integers are IDs, too (GraphQL 3.5.5).
    for value in ("alice", "", 5, 10**400):
        assert codes(await run(LIST, {"userId": value})) == REFUSED


async def test_a_boolean() -> None:
    document = "query($without: Boolean!) { __typename @skip(if: $without) }"
    assert await complaints(document, {"without": "CANARY"}) == ["without must be a boolean."]
    assert (await run(document, {"without": True})).data == {}


async def test_a_default_stands_in_for_what_is_missing() -> None:
    document = "query($without: Boolean! = true, $slug: String!) { provider(slug: $slug) @skip(if: $without) { slug } }"
    assert await complaints(document, {}) == ["slug is required."]
    assert await complaints(document, {"without": None}) == ["without is required.", "slug is required."]
    assert (await run(document, {"slug": "x"})).data == {}


@pytest.mark.parametrize("declared", ["[String!]", "[[Int]]!", "[CompleteConnectionInput]", "[Provider]", "Provider"])
async def test_types_that_no_field_takes(declared: str) -> None:
    """The document is not valid, and that is all: also for somebody without a token."""
    for value in (None, "CANARY", 1, ["CANARY"], [None], {"a": "CANARY"}):
        await complaints("query($x: %s) { __typename }" % declared, {"x": value})
        await complaints("query($x: %s) { __typename }" % declared, {"x": value}, who=None)


async def test_nobody_is_told_about_variables() -> None:
    for document in DOCUMENTS.values():
        assert codes(await run(document, {"input": "CANARY"}, who=None)) == ["UNAUTHENTICATED"]


async def test_deep_variables() -> None:
    deep: Any = "CANARY"
    for _ in range(900):
        deep = [deep]
    assert await complaints(COMPLETE, {"input": WHOLE | {"code": deep}}) == ["code must be a string."]
    assert await complaints(LIST, {"userId": {"a": deep}}) == ["userId must be a string."]


# Every text and key that is no member's name is marked, and so is every number.
MARKED = st.text(st.characters(exclude_categories=("Cs",)), max_size=5).map(lambda text: f"CANARY{text}")
NUMBERS = st.sampled_from([987654321, -987654321, 987654321.5, 987654321 * 10**40, 9.87654321e300])
MEMBERS = st.sampled_from([*WHOLE, "iss", "scope", "error", "input", "userId", "redirect_uri", ""]) | MARKED
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | MARKED,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MEMBERS, inner, max_size=6),
    max_leaves=15,
)
INPUTS = st.fixed_dictionaries(dict.fromkeys(WHOLE, MARKED | JSON), optional={"iss": JSON, "scope": JSON, "": JSON})
VARIABLES = st.dictionaries(MEMBERS, JSON, max_size=4) | st.fixed_dictionaries(
    {}, optional={"input": INPUTS | JSON, "userId": MARKED | JSON}
)


@given(st.sampled_from(sorted(DOCUMENTS.values())), VARIABLES, st.booleans())
@example(COMPLETE, {"input": WHOLE}, False)
@example(AUTHORIZE, {"input": {"provider": "CANARY", "redirectUri": "CANARY"}}, True)
@example(LIST, {"userId": "CANARY"}, False)
async def test_any_variables(document: str, variables: dict[str, Any], explore: bool) -> None:
    outcome = await run(document, variables, executor=OPEN if explore else CLOSED)
    assert set(codes(outcome)) in ({"VALIDATION_ERROR"}, {"INSUFFICIENT_SCOPE"})
    told = shown(outcome)
    assert "CANARY" not in told
    assert "987654321" not in told.replace(".", "")


@strawberry.input
class Given:
    needed: str
    kept: str = "a default"


@strawberry.type
class Query:
    @strawberry.field
    def echo(self, given: Given) -> str:
        return given.kept


async def test_defaults_of_members_stand_in_for_what_is_missing() -> None:
    """Tendon's own inputs have none."""
    schema = strawberry.Schema(Query)._schema
    operation = parse("query($given: Given!) { echo(given: $given) }").definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    for given_, told in (
        ({"needed": "x"}, []),
        ({}, ["needed is required."]),
        ({"needed": "x", "kept": None}, ["kept is required."]),
        ({"needed": "x", "kept": 5}, ["kept must be a string."]),
    ):
        assert list(complaints_of(schema, operation, {"given": given_})) == told
