"""Which media types are JSON in UTF-8."""

from __future__ import annotations

import time

import pytest

from rest.json_http import _is_identity, _is_json


@pytest.mark.parametrize(
    "value",
    [
        "application/json",
        "Application/JSON ; charset=UTF-8",
        "application/json;charset=utf8",
        'application/json; charset="utf-8"',
        "application/json;",
        "application/json; ;",
        "application/json; v=1",
        "application/json; charset=utf-8; v=1",
        'application/json; profile="https://x.example/a;b=\\"c\\""; charset=utf-8;',
        "application/json;odata.metadata=minimal;IEEE754Compatible=false",
        'application/json; x="; charset=latin1"',
    ],
)
def test_json(value: str) -> None:
    assert _is_json(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "text/plain",
        "application/jsonp",
        "application/json-patch+json",
        "application/problem+json",
        "application/json, application/json",
        "application/json; charset=latin1",
        "application/json; v=1; charset=utf-16",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; charset",
        "application/json; charset =utf-8",
        'application/json; v="1',
        "application/json v=1",
        "application/json; v=1 2",
    ],
)
def test_what_is_not_json_in_utf_8(value: str) -> None:
    assert not _is_json(value)


def test_a_media_type_that_is_too_long() -> None:
    assert _is_json("application/json" + ";" * 496)
    assert not _is_json("application/json" + ";" * 497)


@pytest.mark.parametrize("piece", [";", "; ", ";\t ", ";a=b", '; a="b\\"', ';a="', ";a=b;"])
def test_no_media_type_takes_long(piece: str) -> None:
    began = time.process_time()
    _is_json("application/json" + piece * (60_000 // len(piece)) + "\0")
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("", True),
        ("identity", True),
        ("Identity, ,identity", True),
        ("gzip", False),
        ("identity, gzip", False),
        ("identity," * 60, False),
    ],
)
def test_content_encoding(value: str, plain: bool) -> None:
    assert _is_identity(value) == plain
