"""Documents are parsed as by graphql-core, at a lower cost: the same trees, and the same errors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from graphql import DocumentNode, GraphQLError
from graphql import parse as core_parse
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.limits import FULL
from schema.parsing import parse
from tests.schema.document_texts import DOCUMENTS

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
