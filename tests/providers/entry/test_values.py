"""How the values of an entry are read, whatever TOML has in their place."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.entry.values import (
    form,
    list_of,
    one_of,
    params_without,
    read_date,
    read_scalar,
    read_text,
    read_texts,
    table_of,
    text,
    whole_number,
)
from wire.tables import Invalid, Problems

SCALARS = st.text(max_size=5) | st.integers() | st.floats() | st.booleans() | st.dates() | st.datetimes() | st.times()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
READERS: dict[str, tuple[Any, Any]] = {
    "text": (read_text, str),
    "scalar": (read_scalar, (str, int)),
    "date": (read_date, dt.date),
    "number": (whole_number(-5, 5), int),
    "choice": (one_of(("a", "b")), str),
    "short text": (text(3), str),
    "form": (form("[a-c]*", "letters", 3), str),
    "texts": (read_texts, MappingProxyType),
    "list": (list_of(read_text), tuple),
    "table": (table_of(read_text, form("[a-c]+", "letters")), MappingProxyType),
    "params": (params_without("a"), MappingProxyType),
}


@given(name=st.sampled_from([*READERS]), value=VALUES)
def test_a_value_is_read_as_it_is_or_refused(name: str, value: object) -> None:
    read, kind = READERS[name]
    try:
        found = read(value, None)
    except (Invalid, Problems):
        return
    assert isinstance(found, kind)
    assert (list(found) if isinstance(found, tuple) else found) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", True),
        ("number", 5.0),
        ("number", 6),
        ("number", -6),
        ("scalar", 1.0),
        ("scalar", dt.date(2026, 1, 1)),
        ("date", dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
        ("date", "2026-01-01"),
        ("choice", "c"),
        ("choice", ["a"]),
        ("short text", ""),
        ("short text", "abcd"),
        ("form", "abca"),
        ("form", "a\n"),
        ("form", "d"),
        ("texts", {"a": 1}),
        ("texts", [["a", "b"]]),
        ("list", "abc"),
        ("list", {"a": "b"}),
        ("table", {"d": "x"}),
        ("table", {"a": 7}),
        ("params", {"a": "x"}),
    ],
)
def test_what_is_refused(name: str, value: object) -> None:
    with pytest.raises((Invalid, Problems)):
        READERS[name][0](value, None)


def test_every_part_that_is_wrong_is_named() -> None:
    with pytest.raises(Problems) as raised:
        list_of(whole_number(0, 9))([1, "a", 10, 2], None)
    assert [each.path for each in raised.value.problems] == [(1,), (2,)]
