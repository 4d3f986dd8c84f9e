"""What a text becomes: its operations by name, which of them are public, and what is decided without a bearer token."""

from __future__ import annotations

import pytest
from graphql import OperationType

from schema.documents import ANONYMOUS_CACHE_SIZE, CACHE_SIZE, MAX_CACHED_LENGTH, Document, Documents, Operation
from schema.execution import Executor

CLOSED, OPEN = Executor(explore=False)._documents, Executor(explore=True)._documents
BOTH = pytest.mark.parametrize("documents", [CLOSED, OPEN], ids=["closed", "open"])
OPERATION = "{ connections(userId: 1) { id } }"


def only(document: Document) -> Operation:
    operation = document.operations[None]
    assert not document.errors
    return operation


def messages(document: Document) -> list[str]:
    return [error.message for error in document.errors]


def test_operations_are_found_by_name() -> None:
    assert CLOSED.read("{ __typename }").operations.keys() == {None}
    assert CLOSED.read("query A { __typename }").operations.keys() == {None, "A"}
    assert CLOSED.read("query A { __typename } query B { __typename }").operations.keys() == {"A", "B"}
    # A document may have no other operation beside one without a name.
    mixed = CLOSED.read("query A { __typename } { __typename }")
    assert mixed.operations.keys() == {"A"}
    assert messages(mixed) == ["This anonymous operation must be the only defined operation."]
    assert CLOSED.read("fragment F on Query { __typename }").operations == {}
    assert CLOSED.read("{").operations == {}


def test_the_kind_and_the_root_fields_of_an_operation() -> None:
    assert only(CLOSED.read("{ __typename }")).kind is OperationType.QUERY
    assert only(CLOSED.read("mutation { __typename }")).kind is OperationType.MUTATION
    for document, roots in {
        "{ __typename }": 1,
        "{ providers { slug name } }": 1,
        "{ a: __typename b: __typename ...F } fragment F on Query { providers { slug } ... { c: __typename } }": 4,
    }.items():
        assert only(CLOSED.read(document)).roots == roots
    # Those of a document that is not valid are not counted: its fragments may form cycles.
    cycle = CLOSED.read("{ ...F } fragment F on Query { ...F providers { slug } }")
    assert cycle.operations[None].roots == 0


@BOTH
@pytest.mark.parametrize(
    ("document", "public"),
    [
        ("{ providers { slug } }", True),
        ('{ provider(slug: "x") { slug } __typename }', True),
        ("{ ...F } fragment F on Query { ... { ... on Query { providers { slug } } } }", True),
        ("{ connections(userId: 1) { id } }", False),
        ("{ providers { slug } connection(id: 1) { id } }", False),
        ("{ providers { slug } ...F } fragment F on Query { ... { connection(id: 1) { id } } }", False),
        ('mutation { authorizeConnection(input: {provider: "x", redirectUri: "y"}) { url } }', False),
        ("mutation { __typename }", True),
        # The fields of other types are not roots.
        ("{ ...F } fragment F on Query { providers { ...G } } fragment G on Provider { slug }", True),
    ],
)
def test_what_is_public(documents: Documents, document: str, public: bool) -> None:
    assert only(documents.read(document)).public == public
    anonymous = documents.read(document, anonymous=True)
    # What is not public is not validated without a token.
    assert (anonymous.closed, anonymous.operations[None].public) == (not public, public)
    assert anonymous.operations[None].roots == (only(documents.read(document)).roots if public else 0)


@BOTH
def test_a_document_with_a_public_operation_is_validated(documents: Documents) -> None:
    several = "query A { providers { slug } } query B { connection(id: 1) { id } }"
    read = documents.read(several, anonymous=True)
    assert (read.closed, messages(read)) == (False, [])
    assert {name: operation.public for name, operation in read.operations.items()} == {"A": True, "B": False}
    wrong = documents.read(several.replace("slug", "nothing"), anonymous=True)
    assert (wrong.closed, len(wrong.errors)) == (False, 1)


TOKENS = "The document has more than 100 tokens without a bearer token."
BYTES = "The document has more than 6144 bytes without a bearer token."
DEPTH = "The operation is deeper than 5 levels without a bearer token."
NAMES = "name " * 100


def test_introspection_alone_has_the_limits_of_a_token() -> None:
    deep = "{ __schema { types { fields { type { ofType { ofType { name } } } } } } }"
    long = "{ __schema { types { %s } } }" % NAMES
    kind = '{ __type(name: "Query") { %s } }' % NAMES
    through = "{ ...F __typename } fragment F on Query { __schema { types { %s } } }" % NAMES
    for document in (deep, long, kind, through):
        assert messages(OPEN.read(document, anonymous=True)) == []
    for document in (long, kind, through):
        # Where it is not allowed, it is a document like any other.
        assert messages(CLOSED.read(document, anonymous=True)) == [TOKENS]


def test_a_document_that_is_too_long_is_refused_before_it_is_parsed() -> None:
    """Unless it may be introspection, of which only parsing can tell."""
    for documents in (CLOSED, OPEN):
        refused = documents.read("{ providers { %s" % NAMES, anonymous=True)
        assert (messages(refused), refused.ast) == ([TOKENS], None)
        refused = documents.read("{ providers { slug ".ljust(6145), anonymous=True)
        assert (messages(refused), refused.ast) == ([BYTES], None)


@BOTH
def test_the_bytes_of_a_document(documents: Documents) -> None:
    for document in ("{ providers { slug } }", "{ __typename }", "{ __typename } # __schema"):
        assert messages(documents.read(document.ljust(6144), anonymous=True)) == []
        assert messages(documents.read(document.ljust(6145), anonymous=True)) == [BYTES]
        assert messages(documents.read(f"{document}#{'é' * 3061}".ljust(6145), anonymous=True)) == [BYTES]
        assert messages(documents.read(document.ljust(6145))) == []
    alone = documents.read("{ __schema { types { name } } }".ljust(7000), anonymous=True)
    assert (messages(alone) == []) == (documents is OPEN)


def test_other_documents_that_mention_introspection_do_not() -> None:
    for document in (
        "{ providers { %s } } # __schema" % NAMES,
        "{ providers { %s } __schema { types { name } } }" % NAMES,
        "query A { __schema { types { %s } } } query B { providers { slug } }" % NAMES,
        "query A { __schema { types { %s } } } query B { __typename }" % NAMES,
        '{ __typename %s provider(slug: "__type") { slug } }' % ("__typename " * 100),
    ):
        assert messages(OPEN.read(document, anonymous=True)) == [TOKENS]
        assert TOKENS not in messages(OPEN.read(document))
    deep = "{ providers { a { a { a { a { a } } } } } } # __schema"
    assert messages(OPEN.read(deep, anonymous=True)) == [DEPTH]
    assert DEPTH not in messages(OPEN.read(deep))


def test_closed_documents_say_nothing_of_introspection() -> None:
    for document in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'):
        assert "introspection has been disabled" in messages(CLOSED.read(document))[0]
        assert messages(OPEN.read(document)) == []
    assert messages(CLOSED.read("{ __typename }")) == []


def test_a_document_that_exceeds_a_limit_keeps_its_operations() -> None:
    """So that it is refused for its kind, or for want of a token, first."""
    read = CLOSED.read("mutation M { %s }" % " ".join(f"a{number}: __typename" for number in range(6)))
    assert messages(read) == ["The operation has more than 5 root fields."]
    assert read.operations["M"].kind is OperationType.MUTATION
    assert (read.operations["M"].public, read.operations["M"].plan) == (False, None)


def test_documents_up_to_a_length_are_cached() -> None:
    assert (CACHE_SIZE, ANONYMOUS_CACHE_SIZE, MAX_CACHED_LENGTH) == (100, 20, 16 * 1024)
    for anonymous, known in ((False, "_cached"), (True, "_cached_anonymous")):
        for length, kept in ((5000, 1), (MAX_CACHED_LENGTH, 1), (MAX_CACHED_LENGTH + 1, 0)):
            documents = Executor(explore=False)._documents
            text = "{ providers { slug } } #".ljust(min(length, 6000) if anonymous else length, "x")
            first, second = (documents.get(text, anonymous=anonymous) for _ in range(2))
            assert not first.errors
            if anonymous and length > 6000:
                continue
            assert getattr(documents, known).cache_info().currsize == kept
            assert (first is second) == bool(kept)


def test_documents_that_were_not_validated_are_not_cached() -> None:
    documents = Executor(explore=False)._documents
    assert documents.get(OPERATION, anonymous=True).closed
    assert documents._cached_anonymous.cache_info().currsize == 0
    assert not documents.get(OPERATION).closed
    assert documents._cached.cache_info().currsize == 1


def test_callers_with_and_without_a_token_share_no_documents() -> None:
    """What is fine with a token may exceed a limit without one."""
    documents = Executor(explore=False)._documents
    long = "{ providers { %s } }" % ("slug " * 100)
    assert not documents.get(long).errors
    assert messages(documents.get(long, anonymous=True)) == [TOKENS]
