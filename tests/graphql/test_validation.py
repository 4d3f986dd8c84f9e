"""Documents are parsed and validated as by graphql-core, at a lower cost: the same trees, and the same errors in the
same order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from graphql import DocumentNode, GraphQLError, get_introspection_query
from graphql import parse as core_parse
from graphql import validate as core_validate
from hypothesis import given, settings
from hypothesis import strategies as st

from rest.routes import ROUTES
from schema.documents import CLOSED_RULES, OPEN_RULES
from schema.execution import Executor
from schema.limits import FULL
from schema.parsing import parse
from schema.validation import ERRORS, _without_repeats, validate

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


NAMES = st.sampled_from(
    ["slug", "id", "scopes", "provider", "providers", "connections", "nothing", "__typename", "__schema", "types", "a"]
)
Members = list[tuple[str, str]]


def _list(items: list[str]) -> str:
    return f"[{' '.join(items)}]"


def _object(members: Members) -> str:
    return "{" + " ".join(f"{name}: {value}" for name, value in members) + "}"


def _in_brackets(members: Members) -> str:
    return f"({_object(members)[1:-1]})" if members else ""


def _block(selections: list[str]) -> str:
    return "{ " + " ".join(selections) + " }"


def _values(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(NAMES | st.just("redirectUri"), inner), max_size=3)
    return st.lists(inner, max_size=3).map(_list) | members.map(_object)


def _variables(declared: list[str]) -> str:
    return f"({' '.join(declared)})" if declared else ""


def _constant(value: str) -> str:
    return f" = {value.replace('$', '')}"


VALUES = st.recursive(
    st.sampled_from(["1", "1.5", '"x"', "true", "null", "ENUM", "$v", "$w", '"""b"""']), _values, max_leaves=6
)
ARGUMENTS = st.lists(st.tuples(st.sampled_from(["slug", "userId", "id", "input", "if", "no"]), VALUES), max_size=2)
DIRECTIVES = st.sampled_from(["", "", "", "@skip(if: $v)", "@include(if: true)", "@skip", "@no(a: 1)", "@skip @skip"])
TYPES = st.sampled_from(["Query", "Provider", "Connection", "Mutation", "String", "Nothing"])
KINDS = st.sampled_from(["String!", "Boolean!", "Int", "[String]", "Provider", "Nothing", "AuthorizeConnectionInput!"])


def _words(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(" ".join)


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=1, max_size=4).map(_block)


def _selections(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    field = _words(st.sampled_from(["", "b:"]), NAMES, ARGUMENTS.map(_in_brackets), DIRECTIVES, _blocks(inner))
    return field | _words(st.just("... on"), TYPES, DIRECTIVES, _blocks(inner)) | _words(st.just("..."), _blocks(inner))


LEAF = _words(st.sampled_from(["", "", "a:", "id:"]), NAMES, ARGUMENTS.map(_in_brackets), DIRECTIVES)
SPREAD = _words(st.sampled_from(["...F0", "...F1", "...F2", "...F3"]), DIRECTIVES)
SELECTIONS = _blocks(st.recursive(LEAF | NAMES | SPREAD, _selections, max_leaves=10))
DECLARED = _words(st.sampled_from(["$v:", "$w:", "$u:"]), KINDS, st.just("") | VALUES.map(_constant))
VARIABLES = st.lists(DECLARED, max_size=3).map(_variables)
OPERATION = _words(
    st.sampled_from(["query", "query", "mutation", "subscription"]),
    st.sampled_from(["A", "A", "B"]),
    VARIABLES,
    DIRECTIVES,
    SELECTIONS,
)
FRAGMENT = _words(
    st.sampled_from(["fragment F0 on", "fragment F1 on", "fragment F2 on"]), TYPES, DIRECTIVES, SELECTIONS
)
DOCUMENTS = _words(
    st.lists(OPERATION, min_size=1, max_size=2).map("\n".join), st.lists(FRAGMENT, max_size=3).map("\n".join)
)


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


PUNCTUATION = ["{", "}", "(", ")", "[", "]", ":", "$", "@", "!", "=", "|", "&", "...", "..", ".", "#", "'", "~"]
WORDS = ["query", "fragment", "on", "a", "_b1", "name_9", "0", "01", "-1", "1.5", "1e3", "1e", "1a"]
BLANKS = ["\n", "\r\n", "\r", "\t", ",", "\ufeff", " ", "#comment", "\\", "\x00", "é", "\U0001f600"]
STRINGS = ['"x"', '""', '"a\\n\\u0041"', '"\\u{1F600}"', '"\\x"', '"open', '"\t"', '"\U0001f600"', '"\\"', '"""b"""']
BLOCK_STRINGS = ['"""\n  b\n    c\\"""\n"""', '"""open', '"""\r\nx"""', '"""\\"""', '"""a""b\\"""']
PIECES = st.sampled_from([*PUNCTUATION, *WORDS, *BLANKS, *STRINGS, *BLOCK_STRINGS])


def read(parser: Callable[[str], DocumentNode], text: str) -> object:
    """The tree, or the error in the text."""
    try:
        return parser(text).to_dict(locations=True)
    except GraphQLError as error:
        return (error.message, error.locations)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join) | st.lists(PIECES, max_size=12).map(" ".join))
def test_any_text_is_read_the_same(text: str) -> None:
    assert read(partial(parse, limits=FULL), text) == read(core_parse, text)


@settings(deadline=None, max_examples=50)
@given(DOCUMENTS, st.sampled_from([" ", "\n", "\r\n \r", " # comment\n", ",, \ufeff"]))
def test_any_document_is_read_the_same(document: str, blank: str) -> None:
    text = document.replace(" ", blank)
    found = read(partial(parse, limits=FULL), text)
    assert found == read(core_parse, text) or str(found).startswith("('The document ")


def test_five_errors_are_enough() -> None:
    found = Executor(explore=False).read("{ %s }" % " ".join(f"a{number}" for number in range(5))).errors
    assert len(found) == ERRORS
    found = (
        Executor(explore=False).read("{ providers { %s } }" % " ".join(f"a{number}" for number in range(200))).errors
    )
    assert len(found) == ERRORS + 1
    assert found[-1].message == f"There are more than {ERRORS} errors."
