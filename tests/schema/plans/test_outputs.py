"""What fields return, by a plan and by graphql-core: values of every type, nulls in every position, wrong values and
exceptions, and how the errors propagate."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType, get_named_type

from tests.schema.plans.compared import plan_of, run_plan, same
from tests.schema.plans.shapes import SCHEMA
from tests.schema.plans.telling import SAYS, SAYS_OF_LISTS

ITEM: Any = SCHEMA.type_map["Item"]
ROOTS = ["item", "neededItem", "lateItem", "neededLateItem", "items", "lateItems"]


def selected(name: str, kind: Any) -> str:
    return f"{name} {{ text neededText }}" if isinstance(get_named_type(kind), GraphQLObjectType) else name


def listed(kind: Any) -> bool:
    return isinstance(kind.of_type if isinstance(kind, GraphQLNonNull) else kind, GraphQLList)


@pytest.mark.parametrize("says", [*SAYS, *SAYS_OF_LISTS])
async def test_every_field_returns_it(says: str) -> None:
    """Beside siblings, under two keys, and in an item that may be null and one that must not."""
    document = "query($s: String!) { item(says: $s) { label child { %s } looseChildren { its: %s %s } } }"
    for name, field in ITEM.fields.items():
        if says in SAYS_OF_LISTS and not listed(field.type):
            continue
        part = selected(name, field.type)
        await same(document % (part, part, part), {"s": f"{says} {name}"})
    for name in ROOTS:
        await same("query($s: String!) { __typename %s(says: $s) { label needed: label } }" % name, {"s": says})
    leaves = "query($s: String!) { word(says: $s) its: word(says: $s) colour(says: $s) lateWords(says: $s) }"
    await same(leaves, {"s": says})


async def data(selection: str, says: str) -> Any:
    ran = await same("query($s: String!) { item(says: $s) { %s } }" % selection, {"s": says})
    return ran.data["item"]


async def paths(selection: str, says: str) -> list[list[str | int]]:
    ran = await same("query($s: String!) { item(says: $s) { %s } }" % selection, {"s": says})
    return [error["path"] for error, _ in ran.errors]


async def test_what_is_needed_makes_what_contains_it_null() -> None:
    assert await data("child { text neededText } label", "null neededText") == {"child": None, "label": "a label"}
    assert await data("child { needed: neededChild { neededText } label } label", "raises neededText") == {
        "child": None,
        "label": "a label",
    }
    assert await data("neededChild { neededText } label", "raises neededText") is None
    assert await paths("child { needed: neededChild { neededText } }", "raises neededText") == [
        ["item", "child", "needed", "neededText"]
    ]


async def test_what_may_be_null_is_null_alone() -> None:
    for says in ("null text", "raises text", "returns text"):
        assert await data("child { text neededText }", says) == {"child": {"text": None, "neededText": "a needed text"}}
    assert await paths("child { text }", "null text") == []
    assert await paths("child { text }", "raises text") == [["item", "child", "text"]]


async def test_nulls_in_lists() -> None:
    assert await data("looseTags firmTags patchyTags", "item-null") == {
        "looseTags": ["c", None],
        "firmTags": None,
        "patchyTags": ["g", None],
    }
    assert await data("child { tags }", "item-null") == {"child": None}
    assert await data("looseGrid rowsOfChildren { label }", "item-null") == {
        "looseGrid": [[1], [2, None]],
        "rowsOfChildren": [[{"label": "a label"}], [{"label": "a label"}, None]],
    }
    assert await data("looseGrid", "null looseGrid") == {"looseGrid": [[1], None]}
    assert await data("child { grid }", "null grid") == {"child": None}
    # Its rows must not be null, so the whole is.
    assert await data("rowsOfChildren { label }", "null rowsOfChildren") == {"rowsOfChildren": None}
    assert await paths("looseGrid rowsOfChildren { text }", "item-returns") == [
        ["item", "looseGrid", 1, 1],
        ["item", "rowsOfChildren", 1, 1],
    ]


async def test_what_is_no_object_has_no_fields() -> None:
    """Not even those that any object has."""
    for says in ("item-null", "item-undefined", "item-returns"):
        assert await data("looseChildren { constant }", says) == {"looseChildren": [{"constant": "a constant"}, None]}
        assert await data("child { children { constant } }", says) == {"child": None}


async def test_errors_in_lists_of_objects() -> None:
    found = await data("looseChildren { label neededText }", "raises neededText")
    assert found == {"looseChildren": [{"label": "a label", "neededText": "a needed text"}, None]}
    assert await data("children { neededText }", "raises neededText") is None
    assert await paths("children { its: neededText }", "raises neededText") == [["item", "children", 1, "its"]]


async def test_every_form_of_a_value_in_json() -> None:
    leaves = "text number ratio flag key colour neededColour at fromAttribute"
    assert await data(leaves, "") == {
        "text": "a text",
        "number": 42,
        "ratio": 0.5,
        "flag": False,
        "key": "a key",
        "colour": "RED",
        "neededColour": "GREEN",
        "at": "2026-11-23T12:00:00.000Z",
        "fromAttribute": 3,
    }
    odd = await data("text number ratio flag key", "odd")
    assert odd == {"text": "5", "number": 7, "ratio": 3.0, "flag": True, "key": "5"}


async def test_a_value_without_a_form_in_json_is_an_error() -> None:
    """Though its field may be null."""
    document = "query($s: String!) { silent(says: $s) }"
    for says in ("null", "undefined"):
        ran = await same(document, {"s": says})
        assert ran.data == {"silent": None}
        assert [error["extensions"] for error, _ in ran.errors] == [{"code": "INTERNAL_ERROR"}]
    assert (await same(document, {"s": "x"})).data == {"silent": "x"}


async def test_lists_are_made_of_any_iterable() -> None:
    for says in ("tuple", "generator"):
        assert await data("tags children { label }", says) == {
            "tags": ["a", "b"],
            "children": [{"label": "a label"}, {"label": "a label"}],
        }
    ran = await same('{ item(says: "text tags") { child { tags } } }')
    assert ran.errors[0][0]["message"] == "Expected Iterable, but did not find one for field 'Item.tags'."


async def test_fragments_and_fields_that_are_selected_again_are_merged_in_order() -> None:
    document = """{ item(says: "") { ...F label child { text } ... on Item { neededText child { number text } } }
        ...G item(says: "") { flag } }
        fragment F on Item { number label } fragment G on Query { its: word(says: "") }"""
    ran = await same(document)
    assert list(ran.data) == ["item", "its"]
    assert list(ran.data["item"]) == ["number", "label", "child", "neededText", "flag"]
    assert list(ran.data["item"]["child"]) == ["text", "number"]


async def test_literal_directives() -> None:
    document = """query($s: String!) { item(says: $s) @skip(if: false) { text @skip(if: true) label @include(if: true)
        ... @include(if: false) { number } ...F @skip(if: false) child @include(if: false) { label } }
        word(says: "") @skip(if: true) } fragment F on Item { flag }"""
    assert (await same(document, {"s": ""})).data == {"item": {"label": "a label", "flag": False}}


async def test_documents_share_what_is_the_same_for_all() -> None:
    """A field's function is made once for all documents, and knows nothing of any: neither its key nor its place."""
    for document in (
        '{ item(says: "raises neededText") { child { neededText } } }',
        '{\n  item(says: "raises neededText") { child { its: neededText } } }',
        '{ its: item(says: "raises neededText") { neededChild { its: neededText } } }',
    ):
        await same(document)
    plan = plan_of('{ item(says: "raises neededText") { child { neededText } } }')
    assert plan is not None
    first, second = await run_plan(plan, {}), await run_plan(plan, {})
    assert first is not None
    assert (len(first.errors), first) == (1, second)
