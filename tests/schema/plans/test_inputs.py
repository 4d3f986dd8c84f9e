"""Variables and arguments, by a plan and by graphql-core: what resolvers get, and what a plan declines."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.schema.plans.compared import plan_of, run_core, run_plan, same
from tests.schema.plans.shapes import Given

# Per argument: its type, values that are valid as JSON, and as literals, and some that are not.
VALID: dict[str, tuple[str, list[Any], list[str]]] = {
    "text": ("String", ["", "x"], ['""', '"x"', '"""block"""']),
    "number": ("Int", [0, -(2**31), 2**31 - 1, 7.0], ["0", "-2147483648", "2147483647"]),
    "ratio": ("Float", [0.5, 7, -2e300], ["0.5", "7", "-2e300"]),
    "flag": ("Boolean", [True, False], ["true", "false"]),
    "key": ("ID", ["", "x", 5, 10**400], ['"x"', "5"]),
    "at": ("DateTime", ["2026-11-23T12:00:00Z", "2026-11-23"], ['"2026-11-23T12:00:00+01:00"']),
}
INVALID: dict[str, list[Any]] = {
    "text": [5, True, [], ["x"], {}],
    "number": [2**31, -(2**31) - 1, 0.5, "5", True, [5], float("nan")],
    "ratio": ["0.5", True, float("inf"), 10**400, {}],
    "flag": [0, 1, "true", []],
    "key": [True, 0.5, [], {}],
    "at": ["yesterday", 5, True, [], "2026-13-01"],
}


def others(name: str) -> str:
    """The members of an input object that are needed besides."""
    return "" if name == "text" else 'text: "t", '


def member(name: str) -> str:
    return "from" if name == "key" else name


@pytest.mark.parametrize("name", VALID)
async def test_an_argument(name: str) -> None:
    kind, values, literals = VALID[name]
    for literal in [*literals, "null"]:
        await same("{ echo(%s: %s) }" % (name, literal))
        with_default = "query($v: %s = %s) { echo(%s: $v) }" % (kind, literal, name)
        for variables in ({}, {"v": None}, {"v": values[0]}, {"other": 1}):
            await same(with_default, variables)
    for variables in [{}, {"v": None}, *({"v": value} for value in values)]:
        await same("query($v: %s) { echo(%s: $v) }" % (kind, name), variables)


@pytest.mark.parametrize("name", VALID)
async def test_a_member_of_an_input_object(name: str) -> None:
    """In a literal, as a variable in a literal, and in a variable."""
    kind, values, literals = VALID[name]
    needed = name == "text"
    for literal in [*literals, *([] if needed else ["null"])]:
        await same("{ echoGiven(given: {%s%s: %s}) }" % (others(name), member(name), literal))
    whole = "query($g: Given!, $s: Given) { echoGiven(given: $g, spareOne: $s) }"
    part = "query($v: %s) { echoGiven(given: {%s%s: $v}) }" % (kind + "!" * needed, others(name), member(name))
    for value in [*values, *([] if needed else [None])]:
        given = {"text": "t"} | {member(name): value}
        await same(whole, {"g": given})
        await same(whole, {"g": given, "s": given})
        await same(whole, {"g": given, "s": None})
        await same(part, {"v": value})
    if not needed:
        await same(part, {})


async def declines(document: str, variables: dict[str, Any]) -> None:
    """graphql-core says why, and nothing runs."""
    plan = plan_of(document)
    assert plan is not None, document
    assert await run_plan(plan, variables) is None, variables
    wanted = await run_core(document, variables)
    assert wanted.errors, variables
    assert wanted.events == []


@pytest.mark.parametrize("name", INVALID)
async def test_values_that_are_not_valid_are_declined(name: str) -> None:
    kind, _, literals = VALID[name]
    for value in INVALID[name]:
        await declines("query($v: %s) { echo(%s: $v) }" % (kind, name), {"v": value})
        await declines("query($v: %s!) { echo(%s: $v) }" % (kind, name), {"v": value})
        await declines("query($v: %s = %s) { echo(%s: $v) }" % (kind, literals[0], name), {"v": value})
        await declines("query($g: Given!) { echoGiven(given: $g) }", {"g": {"text": "t"} | {member(name): value}})
    for variables in ({}, {"v": None}):
        await declines("query($v: %s!) { echo(%s: $v) }" % (kind, name), variables)


async def test_objects_that_are_not_valid_are_declined() -> None:
    document = "query($g: Given!, $s: Given) { echoGiven(given: $g, spareOne: $s) }"
    right = {"text": "t"}
    for wrong in (
        None,
        "x",
        5,
        [],
        [right],
        {},
        {"text": None},
        {"number": 1},
        right | {"no": 1},
        right | {"key": "k"},
    ):
        await declines(document, {"g": wrong})
        if wrong is not None:
            await declines(document, {"g": right, "s": wrong})
    await declines(document, {})
    await declines(document, {"s": right})


async def test_null_where_a_default_would_have_done_is_declined() -> None:
    """A variable that may be null fits an argument that must not, if it has a default (GraphQL 5.8.5)."""
    for document in (
        'query($s: String = "x") { word(says: $s) }',
        'query($s: String = "x") { echoGiven(given: {text: $s}) }',
    ):
        await declines(document, {"s": None})
        await same(document, {})
        await same(document, {"s": "y"})


async def test_defaults_of_variables() -> None:
    document = (
        'query($g: Given! = {text: "t", from: 5, at: null}, $n: Int! = 3) { echo(number: $n) echoGiven(given: $g) }'
    )
    for variables in ({}, {"n": 4}, {"g": {"text": "u"}}):
        await same(document, variables)
    await declines(document, {"n": None})
    await declines(document, {"g": None})


async def test_defaults_are_made_anew_each_time() -> None:
    """A resolver may keep or change what it gets."""
    plan = plan_of('query($g: Given! = {text: "t"}) { echoGiven(given: $g) }')
    assert plan is not None
    first, second = plan.prepare({}), plan.prepare({})
    assert first is not None
    assert second is not None
    assert isinstance(first[0]["given"], Given)
    assert first[0]["given"] == second[0]["given"]
    assert first[0]["given"] is not second[0]["given"]


async def test_members_get_their_names_in_python() -> None:
    ran = await same('{ echoGiven(given: {text: "t", from: "k"}, spareOne: {text: "u"}) }')
    assert "ratio=None, flag=UNSET, at=UNSET, key='k'" in ran.data["echoGiven"]
    assert ran.data["echoGiven"].count("Given(") == 2


async def test_variables_of_several_fields() -> None:
    document = """query($a: String, $b: Int = 2, $c: Boolean) {
        one: echo(text: $a, number: $b) two: echo(number: $b, flag: $c) three: echo(text: $a, at: null) echo }"""
    for a, b, c in product(({}, {"a": None}, {"a": "x"}), ({}, {"b": 1}), ({}, {"c": True})):
        ran = await same(document, {**a, **b, **c})
        assert len(ran.data) == 4
