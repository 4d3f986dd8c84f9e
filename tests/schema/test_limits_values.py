"""Limits of values in a document, and of introspection: one more is refused, wherever it is written."""

from __future__ import annotations

from schema.execution import Executor
from schema.limits import ITEMS, MEMBERS, NESTING


def _refusal(document: str) -> str | None:
    errors = Executor(explore=False).read(document).errors
    return errors[0].message if errors else None


def test_the_members_of_an_input_object() -> None:
    def members(count: int) -> str:
        literal = " ".join(f"k{number}: 1" for number in range(count))
        return "mutation { authorizeConnection(input: {%s}) { url } }" % literal

    assert "required field" in (_refusal(members(MEMBERS)) or "")
    assert _refusal(members(MEMBERS + 1)) == f"An input object in the document has more than {MEMBERS} members."


def test_the_values_in_a_list() -> None:
    """Wherever a value may be written."""
    forms = [
        "{ provider(slug: %s) { slug } }",
        "{ provider(slug: {a: %s}) { slug } }",
        "{ provider(slug: [%s]) { slug } }",
        "{ providers @skip(if: %s) { slug } }",
        "{ ... @skip(if: %s) { providers { slug } } }",
        "{ ...F @skip(if: %s) } fragment F on Query { providers { slug } }",
        "{ ...F } fragment F on Query @skip(if: %s) { providers { slug } }",
        "query($v: Int = %s) { provider(slug: $v) { slug } }",
        "query($v: Int @skip(if: %s)) { provider(slug: $v) { slug } }",
        "query @skip(if: %s) { providers { slug } }",
    ]
    for form in forms:
        assert "A list" not in (_refusal(form % f"[{'1 ' * ITEMS}]") or "")
        assert _refusal(form % f"[{'1 ' * (ITEMS + 1)}]") == f"A list in the document has more than {ITEMS} values."


def test_the_depth_of_a_value() -> None:
    wanted = f"The document has a value or type that is nested more than {NESTING} levels deep."

    def values(levels: int) -> list[str]:
        return ["{a: " * levels + "1" + "}" * levels, "[" * levels + "]" * levels, "[{a: " * (levels // 2) + "[]"]

    forms = [
        "{ provider(slug: %s) { slug } }",
        "{ providers @skip(if: %s) { slug } }",
        "query($v: Int = %s) { provider(slug: $v) { slug } }",
        "query($v: Int @skip(if: %s)) { provider(slug: $v) { slug } }",
    ]
    for form in forms:
        for value in values(NESTING)[:2]:
            assert _refusal(form % value) != wanted
        for value in values(NESTING + 1)[:2] + values(NESTING)[2:]:
            assert _refusal(form % value) == wanted
    # Values that stand beside each other are no deeper, and selections have a limit of their own.
    beside = " ".join(f"a{number}: [[1]]" for number in range(NESTING))
    assert _refusal(f"{{ providers({beside}) {{ slug }} }}") != wanted
    assert _refusal("{ a " * (NESTING + 1) + "}" * (NESTING + 1)) != wanted
    assert _refusal("query($v: %s) { __typename }" % ("[" * (NESTING + 1) + "Int" + "]" * (NESTING + 1))) == wanted


def test_a_value_that_is_closed_does_not_count_for_the_next() -> None:
    wanted = f"The document has a value or type that is nested more than {NESTING} levels deep."
    deep = {levels: ["[" * levels + "]" * levels, "{a: " * levels + "1" + "}" * levels] for levels in (10, 11)}
    for closed in ("{a: 1}", "[1]", "{a: [1]}"):
        for form in (f"{{ a(b: {closed}, c: {closed}, d: %s) }}", f"{{ a(b: {closed}) b(c: {closed}) c(d: %s) }}"):
            assert [_refusal(form % value) == wanted for value in deep[10]] == [False, False]
            assert [_refusal(form % value) == wanted for value in deep[11]] == [True, True]
    # Outside of parentheses, braces are selections.
    assert _refusal("{ a(b: 1) a(b: {c: 1}) " + "{ a " * 11 + "}" * 12) != wanted
    assert _refusal("query($v: [[Int]]) { a(b: 1) " + "{ a " * 11 + "}" * 12) != wanted


def test_introspection_once() -> None:
    def refusal(document: str) -> str | None:
        errors = Executor(explore=True).read(document).errors
        return errors[0].message if errors else None

    assert refusal('{ __typename __schema { types { name } } __type(name: "Query") { name } }') is None
    assert refusal("{ a: __schema { types { name } } b: __typename c: __typename }") is None
    assert refusal("query A { __schema { types { name } } } query B { __schema { types { name } } }") is None
    once = "An operation can have one __schema only."
    assert refusal("{ a: __schema { types { name } } b: __schema { types { name } } }") == once
    assert refusal("{ __schema { types { name } } ...F } fragment F on Query { __schema { types { name } } }") == once
    aliased = "Introspection can't have aliases below its root field."
    assert refusal("{ __schema { a: types { name } b: types { name } } }") == aliased
    assert refusal('{ __type(name: "Query") { ...F } } fragment F on __Type { a: fields { name } }') == aliased
