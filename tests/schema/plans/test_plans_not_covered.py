"""Shapes that plans leave to graphql-core's executor, and shapes close to them that they cover."""

from __future__ import annotations

from typing import Any

import pytest

from schema.plans import Plans
from tests.schema.plans.compared import plan_of
from tests.schema.plans.uncovered_shapes import SCHEMA, SCHEMA_OF_ROWS

PLANS = Plans(SCHEMA)


def covered(document: str) -> bool:
    return plan_of(document, SCHEMA, PLANS) is not None


@pytest.mark.parametrize(
    "document",
    [
        "{ plain word cat { name } inner { plain inner { plain } } __typename }",
        '{ ofInput(usual: {text: "x"}) }',
        "query($v: Usual) { ofInput(usual: $v) }",
        "query($v: String!) { ofInput(usual: {text: $v}) }",
        "query($v: [String!]!) { ofList(texts: $v) }",
        "query($v: WithList!) { ofInput(withList: $v) }",
        "{ ofInput }",
        "{ ofParent }",
        "{ ofAnything(value: 1) }",
        # What is selected nowhere does not matter.
        "{ word ...F @skip(if: true) } fragment F on Query { dog { name } }",
    ],
)
def test_covered(document: str) -> None:
    assert covered(document)


@pytest.mark.parametrize(
    "document",
    [
        # Types whose values have to be told apart.
        "{ named { name } }",
        "{ dog { name } }",
        "{ dogs { name } }",
        "{ bird { name } }",
        "{ pet { __typename } }",
        # Fields below the root that wait, or take arguments.
        "{ inner { late } }",
        "{ inner { inner { late } } }",
        "{ inner { ofArgument(number: 1) } }",
        # Resolvers that Strawberry wraps, or that take something else.
        "{ permitted }",
        "{ inner { permitted } }",
        "{ shouted }",
        "{ ofInfo }",
        "{ ofRoot }",
        "{ ofSelfAndRoot }",
        "{ ofSelfAndParent }",
        # Arguments.
        "{ ofDefault }",
        '{ ofDefault(text: "x") }',
        "{ ofMaybe }",
        '{ ofMaybe(text: "x") }',
        '{ ofList(texts: ["x"]) }',
        '{ ofList(texts: "x") }',
        "query($v: String!) { ofList(texts: [$v]) }",
        "{ ofSize(size: SMALL) }",
        "query($v: JSON!) { ofAnything(value: {a: $v}) }",
        "query($v: JSON!) { ofAnything(value: [$v]) }",
        "query($v: Size!) { ofSize(size: $v) }",
        "{ ofInput(usual: null) }",
        # What is decided in each request.
        "query($v: Boolean!) { word @skip(if: $v) }",
        "query($v: Boolean!) { inner { plain @include(if: $v) } }",
        "query($v: Boolean!) { inner { ... @include(if: $v) { plain } } }",
        "query($v: Boolean!) { ...F @include(if: $v) } fragment F on Query { word }",
        "query @only { word }",
        "subscription { word }",
        # Introspection.
        "{ __schema { types { name } } }",
        '{ __type(name: "Cat") { name } }',
        "{ word __schema { types { name } } }",
    ],
)
def test_not_covered(document: str) -> None:
    assert not covered(document)


def test_attributes_that_are_read_in_another_way_are_not_covered() -> None:
    plans = Plans(SCHEMA_OF_ROWS)
    assert plan_of("{ row { plain } }", SCHEMA_OF_ROWS, plans) is None


def test_null_is_declined_even_where_a_scalar_would_take_it() -> None:
    plan = plan_of("query($v: JSON!) { ofAnything(value: $v) }", SCHEMA, PLANS)
    assert plan is not None
    assert plan.prepare({"v": {"a": None}}) == [{"value": {"a": None}}]
    assert plan.prepare({"v": None}) is None


@pytest.mark.parametrize("value", ["x", [None], [1], ["x", None], {}, None, [["x"]]])
def test_values_that_are_no_lists_of_the_items_are_declined(value: Any) -> None:
    """Some are valid all the same: graphql-core takes a single item for a list of it."""
    plan = plan_of("query($v: [String!]!) { ofList(texts: $v) }", SCHEMA, PLANS)
    assert plan is not None
    assert plan.prepare({"v": value}) is None
    assert plan.prepare({"v": []}) == [{"texts": []}]
    assert plan.prepare({"v": ["x", "y"]}) == [{"texts": ["x", "y"]}]


@pytest.mark.parametrize(
    ("argument", "kind", "literal"),
    [
        ("withDefault", "WithDefault", '{text: "x"}'),
        ("nested", "Nested", '{usual: {text: "x"}}'),
        ("withEnum", "WithEnum", "{size: SMALL}"),
        ("perhaps", "Perhaps", '{text: "x"}'),
        ("oneOf", "OneOf", '{text: "x"}'),
        ("custom", "Custom", '{text: "x"}'),
    ],
)
def test_input_objects_that_are_not_covered(argument: str, kind: str, literal: str) -> None:
    assert not covered("{ ofInput(%s: %s) }" % (argument, literal))
    assert not covered("query($v: %s) { ofInput(%s: $v) }" % (kind, argument))
    assert not covered("query($v: %s!) { ofInput(%s: $v) }" % (kind, argument))
