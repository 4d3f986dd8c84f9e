"""Strict JSON: what any reader agrees on is read, and nothing else, and no message holds what was sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire.strict_json import DEEPEST, MalformedJSON, read

# All that a refusal may say. What is not in here could only have come from the input.
SENTENCES = {
    "is not UTF-8",
    "is nested too deeply",
    "is not valid JSON",
    "has a duplicate key",
    "has a number out of range",
    "has a NUL character",
    "has a lone surrogate",
}
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
# Mostly near misses.
PIECES = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "\\",
    "a",
    '"a"',
    "0",
    "-",
    "1e9",
    ".5",
    "true",
    "null",
    "NaN",
    " ",
    "\x00",
]
ESCAPES = ["\\u0000", "\\ud800", "\\udc00", "\ufeff", "Infinity", "1e999", '{"a":1,"a":2}', "\n", "é", "/"]
SCRAPS = st.lists(st.sampled_from(PIECES + ESCAPES), max_size=12).map("".join)


def refusal(data: bytes) -> str:
    with pytest.raises(MalformedJSON) as raised:
        read(data)
    return str(raised.value)


@settings(deadline=None)
@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_was_written_is_read(value: object, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    # By repr, which tells 1, 1.0 and true apart.
    assert repr(read(text.encode())) == repr(json.loads(text)) == repr(value)


def read_or_refuse(data: bytes) -> str | None:
    """What was read, by its repr, or None. A refusal says one of the sentences."""
    try:
        return repr(read(data))
    except MalformedJSON as refused:
        said = str(refused)
    assert said in SENTENCES
    return None


@settings(deadline=None)
@given(SCRAPS)
def test_what_is_read_is_what_others_read(text: str) -> None:
    value = read_or_refuse(text.encode())
    assert value is None or value == repr(json.loads(text))


@settings(deadline=None)
@given(st.binary(max_size=80) | SCRAPS.map(str.encode) | VALUES.map(lambda value: json.dumps(value).encode()[1:]))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_or_refuse(data)


@pytest.mark.parametrize(
    "data", [b"", b" ", b"\n\t", b"1 2", b"{}x", b"{} []", b"[1,]", b"{,}", b"'a'", b"/**/1", b'{"a":1}\x00', b"\x0b1"]
)
def test_anything_but_one_value(data: bytes) -> None:
    assert refusal(data) == "is not valid JSON"


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"b":2,"\\u0061":3}',
        b'[{"b":{"a":1,"c":[],"a":null}}]',
        b'{"":1,"":2}',
    ],
    ids=["plain", "escaped", "nested", "empty"],
)
def test_a_duplicate_key(data: bytes) -> None:
    assert refusal(data) == "has a duplicate key"


def test_equal_keys_of_different_objects() -> None:
    assert read(b'{"a":{"a":[{"a":1},{"a":2}]}}') == {"a": {"a": [{"a": 1}, {"a": 2}]}}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "nan", "1e", "01", "+1", ".5", "1.", "0x1", "1_0"])
def test_what_is_no_number(text: str) -> None:
    for data in (text, f"[{text}]", f'{{"a":{text}}}'):
        assert refusal(data.encode()) == "is not valid JSON"


@pytest.mark.parametrize("text", ["1e999", "-1e999", "1.5E+400", "9" * 400 + ".0"])
def test_a_number_out_of_range(text: str) -> None:
    assert refusal(f'{{"a":[{text}]}}'.encode()) == "has a number out of range"


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 5000])
def test_an_overlong_integer(text: str) -> None:
    assert refusal(text.encode()) == "is not valid JSON"


def test_numbers_at_the_edge() -> None:
    assert read(b"[1e308,-1e308,1e-999,-0.0]") == [1e308, -1e308, 0.0, 0.0]
    assert read(b"9" * 4000) == int("9" * 4000)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_other_encodings(encoding: str) -> None:
    assert refusal('{"ä":"é"}'.encode(encoding)) in {"is not UTF-8", "is not valid JSON"}


@pytest.mark.parametrize("data", [b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xff"', b'"\xc3'])
def test_malformed_utf_8(data: bytes) -> None:
    assert refusal(data) == "is not UTF-8"


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\udfff", "\\ud800\\ud800", "\\udc00\\ud800", "\\uD83Dx"])
def test_a_lone_surrogate(escape: str) -> None:
    for text in ('"%s"', '"a%s"', '{"%s":1}', '{"a":[1,{"b":"%s"}]}', '[{"x%s":[]}]'):
        assert refusal((text % escape).encode()) == "has a lone surrogate"


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read(b'{"\\ud83d\\ude00":"\\uD83D\\uDE00"}') == {"😀": "😀"}


def test_nul() -> None:
    for text in ('"\\u0000"', '"a\\u0000b"', '{"\\u0000":1}', '[{"a":["\\u0000"]}]', '{"a":{"b\\u0000":{}}}'):
        assert refusal(text.encode()) == "has a NUL character"
    assert refusal(b'"\x00"') == "is not valid JSON"
    assert read(b'"\\\\u0000"') == "\\u0000"
    assert refusal(b'"\\\\\\u0000"') == "has a NUL character"
    assert read(b'"\\u0001\\u001f"') == "\x01\x1f"


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":', b"[[],"])
@pytest.mark.parametrize("closing", [b"", b"1" + b"]" * 10_000])
def test_nesting_has_an_end(opening: bytes, closing: bytes) -> None:
    assert refusal(opening * 10_000 + closing) in {"is nested too deeply", "is not valid JSON"}


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_deep_nesting_is_refused_before_it_is_parsed(opening: bytes, closing: bytes) -> None:
    assert refusal(opening * 100_000 + b"1" + closing * 100_000) == "is nested too deeply"


def test_a_wide_value_is_no_deep_one() -> None:
    value: Any = read(b"[" + b'["\\u00e9"],' * 5_000 + b"1]")
    assert value[0] == ["é"]
    assert len(value) == 5_001


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_how_deep_it_may_go(opening: bytes, closing: bytes) -> None:
    assert DEEPEST == 400
    assert read(opening * 399 + b"[]" + closing * 399)
    # What lies beside the deepest value does not count.
    assert read(b"[[[]]," + opening * 398 + b"[]" + closing * 398 + b"]")
    assert refusal(opening * 400 + b"[]" + closing * 400) == "is nested too deeply"
    assert refusal(b"[" + b"[]," * 500 + opening * 400 + b"1" + closing * 400 + b"]") == "is nested too deeply"


def test_brackets_in_strings_do_not_nest() -> None:
    text = b"[{" * DEEPEST
    assert read(b'["\\"' + text + b'"]') == ['"' + text.decode()]


@pytest.mark.parametrize("tail", [b'\\"', b'"', b'"a', b'\\\\"'])
def test_its_depth_is_found_in_one_walk(tail: bytes) -> None:
    """Strings without an end must not be looked for again and again."""
    refusal(b"[" * (DEEPEST + 1) + b'"' + tail * 100_000)
