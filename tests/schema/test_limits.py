"""Limits refuse at one more, before any resolver runs, at a cost that is linear in the document."""

from __future__ import annotations

import time

import httpx
import pytest
from graphql import get_introspection_query, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.execution import Executor
from schema.limits import (
    ALIASES,
    DEFINITIONS,
    DEPTH,
    DIRECTIVES,
    ESCAPED,
    FIELDS,
    LINES,
    NAME,
    PARTS,
    ROOT_FIELDS,
    SPREADS,
    TOKENS,
    excess_of,
)
from tests.conftest import Person
from tests.interfaces import bearer
from tests.processes import Process


def aliases(count: int) -> str:
    return "{ providers { %s } }" % " ".join(f"a{number}: slug" for number in range(count))


def root_fields(count: int) -> str:
    return "{ %s }" % " ".join(f'provider{number}: provider(slug: "oura") {{ slug }}' for number in range(count))


def directives(count: int) -> str:
    return "{ providers { %s } }" % " ".join("slug @skip(if: false)" for _ in range(count))


def tokens(count: int) -> str:
    """A comment is a token, and `{ providers { slug } }` has six."""
    return "{ providers { slug } }" + "\n#" * (count - 6)


def parts(count: int) -> str:
    """`{ providers {` has three."""
    return "{ providers { " + "slug " * (count - 3) + "} }"


def spreads(count: int) -> str:
    return "{ providers { " + "... { slug } " * (count - 1) + "...F } } fragment F on Provider { id }"


def definitions(count: int) -> str:
    return "{ ...F0 } " + " ".join(
        f"fragment F{number} on Query {{ {f'...F{number + 1}' if number < count - 2 else '__typename'} }}"
        for number in range(count - 1)
    )


def lines(count: int) -> str:
    return "\n" * (count - 1) + "{ __typename }"


def name(length: int) -> str:
    return "query %s { __typename }" % ("x" * length)


def escaped(length: int) -> str:
    return '{ provider(slug: "%s") { slug } }' % ("\\n" + "x" * (length - 3))


def block_string(length: int) -> str:
    return '{ provider(slug: """%s""") { slug } }' % ("x" * (length - 3))


def fields(count: int) -> str:
    return "{ providers { " + "slug " * (count - 1) + "} }"


def completions(count: int) -> str:
    member = 'provider: "oura", code: "c", state: "s", redirectUri: "https://app.example/"'
    return "mutation { %s }" % " ".join(
        f"c{number}: completeConnection(input: {{{member}}}) {{ connection {{ id }} }}" for number in range(count)
    )


def fragments(count: int) -> str:
    chain = " ".join(
        f"fragment F{number} on Provider {{ ...F{number + 1} ...F{number + 1} }}" for number in range(count)
    )
    return f"{{ providers {{ ...F0 }} }} {chain} fragment F{count} on Provider {{ slug }}"


@pytest.mark.parametrize(
    ("fits", "exceeds"),
    [
        (aliases(ALIASES), aliases(ALIASES + 1)),
        (root_fields(ROOT_FIELDS), root_fields(ROOT_FIELDS + 1)),
        (directives(DIRECTIVES), directives(DIRECTIVES + 1)),
        (tokens(TOKENS), tokens(TOKENS + 1)),
        (fields(FIELDS), fields(FIELDS + 1)),
        (completions(1), completions(2)),
        (spreads(SPREADS), spreads(SPREADS + 1)),
        (definitions(DEFINITIONS), definitions(DEFINITIONS + 1)),
        (lines(LINES), lines(LINES + 1)),
        (name(NAME), name(NAME + 1)),
        (escaped(ESCAPED), escaped(ESCAPED + 1)),
        (block_string(ESCAPED), block_string(ESCAPED + 1)),
    ],
    ids=[
        "aliases",
        "root fields",
        "directives",
        "tokens",
        "fields",
        "one completion",
        "spreads",
        "definitions",
        "lines",
        "names",
        "escapes",
        "block strings",
    ],
)
async def test_one_more_is_refused(
    client: httpx.AsyncClient, any_gateway: Process, someone: Person, fits: str, exceeds: str
) -> None:
    async def codes(document: str) -> set[str]:
        response = await client.post(
            f"{any_gateway.origin}/graphql", json={"query": document}, headers=bearer(someone.token)
        )
        assert "data" in response.json() or document == exceeds
        return {error["extensions"]["code"] for error in response.json().get("errors", [])}

    assert "VALIDATION_ERROR" not in await codes(fits)
    assert await codes(exceeds) == {"VALIDATION_ERROR"}


def _refusal(document: str) -> str | None:
    errors = Executor(explore=False).read(document).errors
    return errors[0].message if errors else None


def test_the_parts_of_a_document() -> None:
    """More than a selection may have, so those within the limit are refused for another reason."""
    assert _refusal(parts(PARTS)) == f"The document selects more than {FIELDS} fields at once."
    assert _refusal(parts(PARTS + 1)) == f"The document has more than {PARTS} names, values and opening brackets."


def test_the_digits_of_a_number() -> None:
    assert "1" * NAME not in (_refusal("{ a(b: %s) }" % ("1" * NAME)) or "")
    assert _refusal("{ a(b: %s) }" % ("1" * (NAME + 1))) == f"A number has more than {NAME} characters."


def test_depth() -> None:
    def nested(levels: int) -> str:
        return "{ " + "a { " * (levels - 1) + "b" + " }" * levels

    assert excess_of(parse(nested(DEPTH))) is None
    assert excess_of(parse(nested(DEPTH + 1))) == f"The operation is deeper than {DEPTH} levels."


async def test_fragments_that_reference_fragments_cost_nothing(
    client: httpx.AsyncClient, any_gateway: Process, someone: Person
) -> None:
    many = DEFINITIONS - 2
    taken: list[float] = []
    # The best of some: other threads of this process, and the collection of its garbage, count in.
    for _ in range(5):
        began = time.process_time()
        assert excess_of(parse(fragments(many))) == f"The document selects more than {FIELDS} fields at once."
        taken.append(time.process_time() - began)
    assert min(taken) < 0.1
    # As many as may be spread.
    few = {"query": fragments(SPREADS // 2 - 1)}
    response = await client.post(f"{any_gateway.origin}/graphql", json=few, headers=bearer(someone.token))
    assert "more than 250 fields" in response.json()["errors"][0]["message"]


async def test_a_cycle_of_fragments_is_refused(client: httpx.AsyncClient, any_gateway: Process) -> None:
    query = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A providers { slug } }"
    response = await client.post(f"{any_gateway.origin}/graphql", json={"query": query})
    assert response.json()["errors"][0]["extensions"] == {"code": "VALIDATION_ERROR"}


async def test_the_editors_introspection_fits(client: httpx.AsyncClient, any_gateway: Process) -> None:
    query = get_introspection_query(specified_by_url=True, input_value_deprecation=True)
    response = await client.post(f"{any_gateway.origin}/graphql", json={"query": query})
    assert "errors" not in response.json()
    deeper = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"
    assert "errors" in (await client.post(f"{any_gateway.origin}/graphql", json={"query": deeper})).json()


leaf = st.sampled_from(["slug", "a: slug", "...F", "slug @skip(if: true)"])
selection: st.SearchStrategy[str] = st.deferred(
    lambda: leaf | st.lists(selection, min_size=1, max_size=4).map(lambda parts: f"x {{ {' '.join(parts)} }}")
)


@settings(deadline=None, max_examples=50)
@given(roots=st.lists(selection, min_size=1, max_size=6), fragment=selection)
def test_weights_are_those_of_the_expanded_document(roots: list[str], fragment: str) -> None:
    """The memoised walk says the same of a document as of the one with its fragment written out."""
    fragment = fragment.replace("...F", "y")
    document = f"{{ {' '.join(roots)} }}"
    expanded = document.replace("...F", f"... {{ {fragment} }}")
    spread = f"{document} fragment F on Query {{ {fragment} }}"
    found, wanted = excess_of(parse(spread)), excess_of(parse(expanded))
    if wanted != f"The document has more than {DIRECTIVES} directives.":
        assert found == wanted
