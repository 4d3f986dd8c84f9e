"""Errors about a document name fields and types, and never tell the values that stand in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.execution import Executor
from tests.schema.execution_context import CLOSED, OPEN, codes, messages, run, shown

# Who is turned away leaves a row in the audit trail.
pytestmark = pytest.mark.usefixtures("database")

PLACES = [
    '{ provider(slug: "oura", %s) { slug } }',
    "{ provider(slug: %s) { slug } }",
    "{ connections(userId: %s) { id } }",
    "{ __typename @skip(if: %s) }",
    "query($slug: String! = %s) { provider(slug: $slug) { slug } }",
    "query($without: Boolean! = %s) { __typename @skip(if: $without) }",
    "mutation { completeConnection(input: %s) { connection { id } } }",
    'mutation { completeConnection(input: {provider: "x", code: %s, state: 1}) { connection { id } } }',
    'mutation { completeConnection(input: {provide: %s, state: "s", redirectUri: "x"}) { connection { id } } }',
    "mutation { authorizeConnection(input: {provider: %s, redirectUrl: %s}) { url } }",
]
LITERALS = [
    '"CANARY"',
    '"a\\"CANARY\\"b"',
    "\"it's 'CANARY'\"",
    '"a value: CANARY, found: CANARY"',
    '"""CANARY"""',
    '"""\n"CANARY" \'CANARY\'\n"""',
    "CANARY",
    '["CANARY", "CANARY"]',
    '{provide: "CANARY"}',
    '{provider: "CANARY", code: 1}',
    '{a: {b: ["CANARY"]}}',
    "987654321",
    "-987654321.5",
    "987654321e3",
    "987654321987654321987654321",
]
EXECUTORS = pytest.mark.parametrize("executor", [CLOSED, OPEN], ids=["closed", "open"])


@EXECUTORS
@pytest.mark.parametrize("literal", LITERALS)
async def test_literals(executor: Executor, literal: str) -> None:
    for place in PLACES:
        outcome = await run(place.replace("%s", literal), executor=executor)
        assert set(codes(outcome)) <= {"VALIDATION_ERROR", "INSUFFICIENT_SCOPE", "PROVIDER_NOT_FOUND"}
        assert outcome.failures or outcome.data == {}
        assert "CANARY" not in shown(outcome)
        assert "987654321" not in shown(outcome)


async def test_a_suggestion_stays_where_the_schema_is_open() -> None:
    document = 'mutation { authorizeConnection(input: {provide: "CANARY", redirectUri: "CANARY"}) { url } }'
    told, kept = messages(await run(document, executor=OPEN)), messages(await run(document))
    assert "Expected value of type 'AuthorizeConnectionInput' not to include unknown field 'provide'" in told[-1]
    assert told[-1].endswith("Did you mean 'provider'?")
    assert kept[-1] == told[-1].removesuffix(" Did you mean 'provider'?")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (" ", "Unexpected <EOF>."),
        ("{", "Expected Name, found <EOF>."),
        ("{ a( }", "Expected Name, found."),
        ("CANARY", "Unexpected Name."),
        ("query CANARY CANARY", "Expected '{', found Name."),
        ('{ "CANARY" }', "Expected Name, found String."),
        ('{ "a\'CANARY" }', "Expected Name, found String."),
        ("{ \"'CANARY'CANARY\" }", "Expected Name, found String."),
        ('{ "\\"CANARY\\"" }', "Expected Name, found String."),
        ('{ """CANARY\n\'CANARY""" }', "Expected Name, found BlockString."),
        ("{ a(b \"Expected 'CANARY'\") }", "Expected ':', found String."),
        ("{ a(b 987654321) }", "Expected ':', found Int."),
        ('{ a(b: "CANARY', "Unterminated string."),
        ('{ a(b: "CANARY\n") }', "Unterminated string."),
        ('{ a(b: "\\uCAN\'ARY") }', "Invalid Unicode escape sequence:."),
        ('{ a(b: "\\qCANARY") }', "Invalid character escape sequence:."),
        ("{ a(b: 1CANARY) }", "Invalid number, expected digit but got:."),
        ("{ a(b: 'CANARY') }", "Unexpected single quote character ('), did you mean to use a double quote (\")?"),
        ("query($a: Int = $CANARY) { a }", "Unexpected variable in constant value."),
        ("fragment on on CANARY { a }", "Unexpected Name."),
    ],
)
@EXECUTORS
async def test_syntax_errors(executor: Executor, document: str, message: str) -> None:
    outcome = await run(document, executor=executor)
    assert codes(outcome) == ["VALIDATION_ERROR"]
    assert messages(outcome) == [f"Syntax Error: {message}"]
    assert "CANARY" not in shown(outcome)


# A name can't be spelt like this one, so nothing but a value can be taken for it.
SECRET = "CAN-ARY"
PIECES = [SECRET, "'", '\\"', "\\'", "\\\\", "\\u", " found: ", "Expected ", "?", " "]
STRINGS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
TOKENS = ["{", "}", "(", ")", ":", "$a", "a", "query", "provider", "slug", "1", "[", "]", "@", "...", '"', "\n"]
SCRAPS = st.lists(
    st.sampled_from(TOKENS) | STRINGS.map(lambda text: f'"{text}"') | STRINGS.map(lambda text: f'"""{text}"""'),
    min_size=1,
    max_size=12,
).map(" ".join)


@given(SCRAPS, st.sampled_from([CLOSED, OPEN]))
async def test_any_document(document: str, executor: Executor) -> None:
    outcome = await run(document, executor=executor)
    assert set(codes(outcome)) <= {"VALIDATION_ERROR", "PROVIDER_NOT_FOUND"}
    assert SECRET not in shown(outcome)


@pytest.mark.parametrize(
    "document",
    [
        "{ a" * 300 + " }" * 300,
        "{ a(b: " + "[" * 450 + "]" * 450 + ") }",
        "{ a(b: " + "{c: " * 200 + "1" + "}" * 200 + ") }",
        "query($a: " + "[" * 450 + "Int" + "]" * 450 + ") { a }",
    ],
    ids=["fields", "lists", "objects", "types"],
)
async def test_nesting_is_no_fault(document: str) -> None:
    outcome = await run(document, {"a": "CANARY"})
    assert set(codes(outcome)) == {"VALIDATION_ERROR"}
    assert "CANARY" not in shown(outcome)
