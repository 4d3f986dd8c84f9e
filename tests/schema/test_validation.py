"""Documents are validated as by graphql-core, at a lower cost: the same errors in the same order."""

from __future__ import annotations

import pytest
from graphql import GraphQLError, get_introspection_query
from graphql import parse as core_parse
from graphql import validate as core_validate
from hypothesis import given, settings

from rest.routes import ROUTES
from schema.documents import CLOSED_RULES, OPEN_RULES
from schema.execution import Executor
from schema.limits import FULL
from schema.parsing import parse
from schema.validation import ERRORS, _without_repeats, validate
from tests.schema.document_texts import DOCUMENTS

SCHEMA = Executor(explore=True).graphql


def errors_of(found: list[GraphQLError]) -> list[tuple[str, object]]:
    """The first errors. The last one, which ends the validation, is worded differently here."""
    return [(error.message, error.locations) for error in found[:ERRORS]]


def agree(document: str) -> None:
    ast = parse(document, FULL)
    for rules in (OPEN_RULES, CLOSED_RULES):
        for suggest in (False, True):
            wanted = core_validate(SCHEMA, ast, rules, max_errors=ERRORS, hide_suggestions=not suggest)
            found = validate(SCHEMA, ast, rules, suggest=suggest)
            assert errors_of(found) == errors_of(wanted)
            assert len(found) == len(wanted)


@settings(deadline=None, max_examples=50)
@given(DOCUMENTS)
def test_any_document_has_the_same_errors(document: str) -> None:
    """Repeated identical fields are validated once. That makes no document valid."""
    ast = core_parse(document)
    lean = _without_repeats(ast)
    for suggest in (False, True):
        found = validate(SCHEMA, ast, OPEN_RULES, suggest=suggest)
        wanted = core_validate(SCHEMA, lean, OPEN_RULES, max_errors=ERRORS, hide_suggestions=not suggest)
        assert errors_of(found) == errors_of(wanted)
        assert len(found) == len(wanted)
    assert bool(core_validate(SCHEMA, ast, OPEN_RULES)) == bool(core_validate(SCHEMA, lean, OPEN_RULES))


@pytest.mark.parametrize(
    "document",
    [
        *(route.document for route in ROUTES),
        get_introspection_query(),
        "{ nothing providers { slug nothing } }",
        "{ provider(slug: 1, no: 2) { slug } }",
        "query A { __typename } query A { __typename } query B($v: Int $v: Int $w: Nope) { provider(slug: $x) { id } }",
        "{ ...F ...G } fragment F on Query { ...G } fragment G on Query { ...F } fragment H on Nope { a }",
        "{ a: providers { slug } a: provider(slug: 1) { slug } providers { id: slug id } }",
        "query($v: String) { provider(slug: $v) @skip(if: $v) @skip(if: 1) { slug ... on Connection { id } } }",
        'mutation { authorizeConnection(input: {provider: 1 provider: "x" no: {a: [1]}}) { url } }',
        "subscription { a } type T { a: Int } { providers }",
        "{ providers { ...F } } fragment F on Provider { ... @include(if: $x) { scopes { a } } }",
        "query Q($i: AuthorizeConnectionInput = {provider: 1}) { __typename }",
        "{ providerz { slug } provider(slog: 1) { slog } }",
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
    ],
)
def test_a_document_has_the_same_errors(document: str) -> None:
    agree(document)


@pytest.mark.parametrize(
    "repeat", ["id: slug id", "slug @nothing", "slug @skip(if: 1)", "slug(no: 1)", "slug { nothing }", "...F ...F"]
)
def test_what_only_looks_repeated_is_validated(repeat: str) -> None:
    """Of a field that is repeated as it is, only the first is."""
    for place in ("{ providers { slug %s } }", "{ providers { ... { slug %s } } }"):
        document = place % repeat
        agree(document)
        assert Executor(explore=True).read(document).errors
    beside = "{ providers { slug } } fragment F on Provider { slug %s }" % repeat
    agree(beside)
    agree("{ providers { slug name slug scopes slug } ... { providers { slug slug } } }")
    assert not Executor(explore=True).read("{ providers { slug name slug } }").errors


def test_five_errors_are_enough() -> None:
    found = Executor(explore=False).read("{ %s }" % " ".join(f"a{number}" for number in range(5))).errors
    assert len(found) == ERRORS
    found = (
        Executor(explore=False).read("{ providers { %s } }" % " ".join(f"a{number}" for number in range(200))).errors
    )
    assert len(found) == ERRORS + 1
    assert found[-1].message == f"There are more than {ERRORS} errors."
