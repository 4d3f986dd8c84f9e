"""Answers: a malformed member does not affect the others, and is refused by whoever takes it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire.strict_json import (
    DUPLICATE,
    DuplicateError,
    Malformed,
    MalformedJSON,
    UnfitError,
    list_or_none,
    member_at,
    object_or_none,
    read_answer,
    read_object,
)

LONGEST = "9" * 4000
"""The longest integer that is read."""


def refusal(data: bytes) -> str:
    with pytest.raises(MalformedJSON) as raised:
        read_answer(data)
    return str(raised.value)


def unfit(whole: dict[str, object], path: str) -> UnfitError:
    with pytest.raises(UnfitError) as raised:
        member_at(whole, path)
    return raised.value


def problem(value: object) -> str:
    assert isinstance(value, Malformed)
    return value.problem


# Whole answers


@pytest.mark.parametrize(
    "text",
    ["null", "[]", "{}", '[1, 1.5, -0.0, 1e308, true, "a"]', '{"a": {"b": [1, {"b": 2}]}, "b": null}', LONGEST],
)
def test_what_is_well_formed_is_read_as_by_others(text: str) -> None:
    assert repr(read_answer(text.encode())) == repr(json.loads(text))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not valid JSON"),
        (b"{} {}", "is not valid JSON"),
        (b"[1,]", "is not valid JSON"),
        (b"nan", "is not valid JSON"),
        (b"01", "is not valid JSON"),
        (b"\xff", "is not valid JSON"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "is not valid JSON"),
        (b"{}\xef\xbb\xbf", "is not valid JSON"),
        ("{}".encode("utf-16"), "is not valid JSON"),
        (b'["a', "is not valid JSON"),
        (b'[%s, "a' % (b"9" * 5000), "is not valid JSON"),
        (b'{"a": %s}' % (b"[" * 400 + b"]" * 400), "is nested too deeply"),
        (b'{"a": ' * 401 + b"1" + b"}" * 401, "is nested too deeply"),
        (b"[" * 100_000, "is nested too deeply"),
    ],
)
def test_anything_but_one_value_is_refused(data: bytes, says: str) -> None:
    assert refusal(data) == says


@pytest.mark.parametrize("opening", [b"[", b'{"a": '])
def test_how_deep_it_may_go(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    assert read_answer(opening * 399 + b"[]" + closing * 399)
    assert refusal(opening * 400 + b"[]" + closing * 400) == "is nested too deeply"


def test_a_byte_order_mark_is_skipped() -> None:
    assert read_answer(b"\xef\xbb\xbf {}") == {}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (rb'"\ud800"', "\ud800"),
        (rb'"\u0000"', "\0"),
        (b'"\0\t\n"', "\0\t\n"),
        (b'"\xff"', "\udcff"),
        (b'"\xed\xa0\x80"', "\udced\udca0\udc80"),
        (rb'"\ud83d\ude00"', "😀"),
    ],
)
@pytest.mark.parametrize("beside", [b"1", b"9" * 5000])
def test_a_string_holds_what_the_sender_put_into_it(data: bytes, text: str, beside: bytes) -> None:
    value: Any = read_answer(b"[%s, %s]" % (beside, data))
    assert value[1] == text


# Malformed members


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 4301, "-" + "9" * 4301])
def test_a_number_that_is_none_takes_no_other_member_with_it(number: str) -> None:
    whole = read_object(f'{{"a": {number}, "b": [1e9, {number}], "c": 1.5, "d": 12}}'.encode())
    assert problem(whole["a"]) == "has a number out of range"
    assert (whole["c"], whole["d"]) == (1.5, 12)
    assert str(unfit(whole, "a")) == "a member has a number out of range"
    assert member_at(whole, "b.0") == 1e9
    assert problem(member_at(whole, "b.1")) == "has a number out of range"


@pytest.mark.parametrize(("digits", "is_read"), [(LONGEST, True), (LONGEST + "9", False)])
def test_the_longest_integer_beside_one_that_nobody_reads(digits: str, *, is_read: bool) -> None:
    value: Any = read_answer(f"[{digits}, {'9' * 5000}]".encode())
    assert isinstance(value[0], int) == is_read
    assert isinstance(value[1], Malformed)


@pytest.mark.parametrize("beside", ["1", "9" * 5000])
def test_a_duplicated_member_takes_no_other_with_it(beside: str) -> None:
    whole = read_object(f'{{"a": 1, "x": {beside}, "b": {{"c": 1, "c": 1, "d": 2}}, "\\u0061": 1, "e": 3}}'.encode())
    assert whole["a"] is DUPLICATE
    assert isinstance(unfit(whole, "a"), DuplicateError)
    assert isinstance(unfit(whole, "b.c"), DuplicateError)
    assert str(unfit(whole, "b.c")) == "a member has a duplicate key"
    assert (member_at(whole, "b.d"), member_at(whole, "e")) == (2, 3)


# Members


WHOLE: dict[str, object] = {"a": {"b": [10, {"c": 11}], "d": None}, "": 12, "e": "text", "0": 13, "f": [], "g": [None]}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", WHOLE["a"]),
        ("a.b.0", 10),
        ("a.b.1.c", 11),
        ("a.b.2", None),
        ("a.b.2.c", None),
        ("a.b.10", None),
        ("a.d", None),
        ("a.d.x.y", None),
        ("a.x", None),
        ("x", None),
        ("x.y", None),
        ("", 12),
        ("0", 13),
        ("f.0", None),
        ("f.0.x", None),
        ("g.0", None),
        ("g.0.x", None),
    ],
)
def test_the_value_at_a_path(path: str, value: object) -> None:
    assert member_at(WHOLE, path) == value


@pytest.mark.parametrize("path", ["e.x", "e.0", "a.b.x", "a.b.-1", "a.b.0.x", "a.b.", "0.0"])
def test_a_path_through_what_is_no_object(path: str) -> None:
    assert str(unfit(WHOLE, path)) == "a step in the path to a member is not an object"


@pytest.mark.parametrize("value", [{}, {"a": 1}])
def test_an_object_or_none(value: object) -> None:
    assert object_or_none(value) is value
    assert list_or_none(value) is None


@pytest.mark.parametrize("value", [[], [1]])
def test_a_list_or_none(value: object) -> None:
    assert list_or_none(value) is value
    assert object_or_none(value) is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"CANARY", "the body is not valid JSON"),
        (b"[" * 401, "the body is nested too deeply"),
        (b'["CANARY"]', "the body is not a JSON object"),
        (b"null", "the body is not a JSON object"),
        (b"NaN", "the body is not a JSON object"),
    ],
)
def test_a_body_that_is_no_object(data: bytes, says: str) -> None:
    with pytest.raises(UnfitError) as raised:
        read_object(data)
    assert str(raised.value) == says
    # Not even by way of the error that it comes from, which holds the body.
    assert raised.value.__cause__ is raised.value.__context__ is None


# Whatever comes


SCALARS = st.sampled_from(
    ["1", "-0.0", "1e999", "NaN", "-Infinity", "9" * 4301, "true", "null", '"a"', r'"\ud800"', '"\x00"', '"é"']
)
KEYS = st.sampled_from(["a", r"\u0061", "b", "", "0"])
TEXTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"
        )
    ),
    max_leaves=8,
)


def expected(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    return {key: DUPLICATE if keys.count(key) > 1 else value for key, value in pairs}


OUT_OF_RANGE = Malformed("has a number out of range")


@settings(deadline=None)
@given(TEXTS)
def test_the_rest_is_what_others_read(text: str) -> None:
    """The reference is Python's reader, told what is malformed."""
    reference = json.loads(
        text,
        object_pairs_hook=expected,
        parse_int=lambda digits: OUT_OF_RANGE if len(digits) > 4000 else int(digits),
        parse_float=lambda digits: OUT_OF_RANGE if math.isinf(float(digits)) else float(digits),
        parse_constant=lambda _: OUT_OF_RANGE,
        strict=False,
    )
    assert repr(read_answer(text.encode())) == repr(reference)
