"""Each limit has the value that the documentation states, is allowed exactly, and is refused at one more."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from schema import limits, validation
from schema.execution import Executor
from tests.schema.test_limits import (
    aliases,
    block_string,
    completions,
    definitions,
    directives,
    escaped,
    fields,
    lines,
    name,
    parts,
    root_fields,
    spreads,
    tokens,
)

SECURITY = Path(__file__).parents[2].joinpath("docs", "security.md").read_text(encoding="utf-8")
CLOSED, OPEN = Executor(explore=False), Executor(explore=True)


def documented(row: str) -> list[int]:
    """The numbers in the second column of the table of limits."""
    found = re.search(rf"^\| {re.escape(row)} \| ([^|]+) \|", SECURITY, re.MULTILINE)
    assert found, row
    return [int(number) for number in re.findall(r"\d+", found[1])]


@pytest.mark.parametrize(
    ("row", "values"),
    {
        "tokens, comments included": [limits.TOKENS],
        "levels": [limits.DEPTH],
        "levels of introspection": [limits.INTROSPECTION_DEPTH],
        "aliases, root fields, and fields of an operation once fragments are expanded": [
            limits.ALIASES,
            limits.ROOT_FIELDS,
            limits.FIELDS,
        ],
        "directives": [limits.DIRECTIVES],
        "names, values and opening brackets": [limits.PARTS],
        "operations and fragments": [limits.DEFINITIONS],
        "spreads of fragments, by name or inline": [limits.SPREADS],
        "members of one input object, values in one list": [limits.MEMBERS, limits.ITEMS],
        "levels of objects and lists in a value, and of lists in a type": [limits.NESTING],
        "characters of a name or number": [limits.NAME],
        "characters in strings with escapes, and in block strings": [limits.ESCAPED],
        "lines": [limits.LINES],
    }.items(),
)
def test_the_documentation_has_these_limits(row: str, values: list[int]) -> None:
    assert documented(row) == values
    full = limits.FULL
    assert (full.tokens, full.depth, full.aliases, full.size) == (limits.TOKENS, limits.DEPTH, limits.ALIASES, None)


def refusals(document: str, executor: Executor = CLOSED) -> list[str]:
    return [error.message for error in executor.read(document).errors]


@pytest.mark.parametrize(
    ("make", "most", "message"),
    [
        (aliases, 15, "The operation has more than 15 aliases."),
        (root_fields, 5, "The operation has more than 5 root fields."),
        (directives, 50, "The document has more than 50 directives."),
        (tokens, 1000, "The document has more than 1000 tokens."),
        (parts, 300, "The document has more than 300 names, values and opening brackets."),
        (fields, 250, "The document selects more than 250 fields at once."),
        (spreads, 30, "The document spreads more than 30 fragments."),
        (definitions, 16, "The document has more than 16 operations and fragments."),
        (lines, 1000, "The document has more than 1000 lines."),
        (name, 128, "A name has more than 128 characters."),
        (escaped, 2048, "Block strings and strings with escapes have more than 2048 characters together."),
        (block_string, 2048, "Block strings and strings with escapes have more than 2048 characters together."),
        (completions, 1, "An operation can have one completeConnection only."),
    ],
)
def test_one_more_is_refused(make: Callable[[int], str], most: int, message: str) -> None:
    assert message not in refusals(make(most))
    assert refusals(make(most + 1)) == [message]


def introspection(levels: int) -> str:
    """`__schema` and `types` are two of the levels."""
    return "{ __schema { types { " + "ofType { " * (levels - 3) + "name" + " }" * (levels - 3) + " } } }"


def test_the_levels_of_introspection() -> None:
    message = "The introspection is deeper than 16 levels."
    assert refusals(introspection(16), OPEN) == []
    assert refusals(introspection(17), OPEN) == [message]
    # It is counted from its root field, wherever that is.
    assert refusals("{ __typename ... { a: " + introspection(17)[1:] + " }", OPEN) == [message]
    inside = "{ __schema { ...F } } fragment F on __Schema { types { %s name %s } }"
    assert refusals(inside % ("ofType { " * 13, "} " * 13), OPEN) == []
    assert refusals(inside % ("ofType { " * 14, "} " * 14), OPEN) == [message]


def test_levels_are_counted_through_fragments() -> None:
    def deep(levels: int) -> str:
        rest = levels - 2
        return "{ a { ...F } } fragment F on A { ... { " + "a { " * (rest - 1) + "b" + " }" * (rest - 1) + " } c }"

    message = "The operation is deeper than 10 levels."
    assert message not in refusals(deep(11))
    assert refusals(deep(12)) == [message]


def test_a_fragment_is_counted_wherever_it_is_spread() -> None:
    """And each time, even if no operation spreads it."""

    def spread(times: int) -> str:
        return "{ providers { %s } } fragment F on Provider { %s }" % ("...F " * times, "slug " * 25)

    message = "The document selects more than 250 fields at once."
    # One of them is `providers`.
    assert refusals(spread(9)) == []
    assert refusals(spread(10)) == [message]
    unused = "{ providers { slug } } fragment F on Provider { ...G ...G } fragment G on Provider { %s }"
    assert message not in refusals(unused % ("slug " * 125))
    assert refusals(unused % ("slug " * 126)) == [message]
    named = "{ providers { ...F ...F } } fragment F on Provider { %s }"
    eight = " ".join(f"a{number}: slug" for number in range(8))
    assert refusals(named % eight.replace("a7: ", "")) == []
    assert refusals(named % eight) == ["The operation has more than 15 aliases."]


def test_root_fields_are_counted_through_fragments() -> None:
    assert refusals("{ ...F ... { ...F } providers { slug } } fragment F on Query { __typename __typename }") == []
    message = "The operation has more than 5 root fields."
    assert refusals("{ ...F ... { ...F } } fragment F on Query { a: __typename __typename __typename }") == [message]


def test_strings_count_together() -> None:
    """Those that need no scanning do not count."""
    message = "Block strings and strings with escapes have more than 2048 characters together."
    document = '{ a(b: "%s", c: "\\n%s", d: """%s""") }'
    assert message not in refusals(document % ("x" * 3000, "x" * 1021, "y" * 1021))
    assert refusals(document % ("x" * 3000, "x" * 1021, "y" * 1022)) == [message]
    assert refusals(document % ("", "x" * 1022, "y" * 1021)) == [message]


def test_the_digits_of_a_number() -> None:
    for form in ("%s", "-%s", "%s.5", "%se3"):
        most = 128 - len(form) + 2
        assert "A number has more than 128 characters." not in refusals("{ a(b: %s) }" % (form % ("1" * most)))
        longer = "{ a(b: %s) }" % (form % ("1" * (most + 1)))
        assert refusals(longer) == ["A number has more than 128 characters."]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_are_counted_however_they_end(ending: str) -> None:
    message = "The document has more than 1000 lines."
    assert refusals(f"{ending * 999}{{ __typename }}") == []
    assert refusals(f"{ending * 1000}{{ __typename }}") == [message]
    assert refusals(f"#{ending}" * 499 + ending * 500 + "{ __typename }") == []


def test_five_errors_and_a_budget_for_comparing_fields() -> None:
    assert validation.ERRORS == 5
    unknown = "{ %s }"
    for count in (1, 4, 5):
        assert len(refusals(unknown % " ".join(f"a{number}" for number in range(count)))) == count
    assert len(refusals("{ providers { %s } }" % " ".join(f"a{number}" for number in range(6)))) == 6
