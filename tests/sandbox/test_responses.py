"""Where values stand in answers: at dotted paths, beside what shows a success or an error."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from sandbox.dialect import Dialect, Success
from sandbox.oauth import OAuthError
from sandbox.responses import marked, put, token_error, token_success
from tests.sandbox.entries import ACME


@pytest.mark.parametrize(
    ("start", "path", "after"),
    [
        ({}, "a", {"a": 5}),
        ({"b": 1}, "a.b.c", {"b": 1, "a": {"b": {"c": 5}}}),
        ({}, "a.1.b", {"a": [None, {"b": 5}]}),
        ({"a": [{"b": 1}]}, "a.0.c", {"a": [{"b": 1, "c": 5}]}),
        ({"a": [1]}, "a.2", {"a": [1, None, 5]}),
        ({"a": "text"}, "a.b", {"a": {"b": 5}}),
        ({"a": {"b": 1}}, "a.0", {"a": [5]}),
    ],
)
def test_a_value_at_a_path(start: dict[str, Any], path: str, after: dict[str, Any]) -> None:
    assert put(start, path, 5) == after


def test_what_shows_a_success() -> None:
    assert marked({"a": 1}, None) == {"a": 1}
    assert marked({"a": 1}, Success("a", absent=True)) == {"a": 1}
    assert marked({"body": {"token": 1}}, Success("body.ok", equals=True)) == {"body": {"token": 1, "ok": True}}


def dialect(*changes: tuple[str, str]) -> Dialect:
    text = ACME
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return Dialect.read(tomllib.loads(text))


def test_a_mark_inside_the_token_object() -> None:
    inside = dialect(('field = "status"', 'field = "body.status"'))
    answer = json.loads(bytes(token_success(inside, {"access_token": "x"}).body))
    assert answer == {"body": {"access_token": "x", "status": 0}}


ROWS = """
[[token.errors]]
field = "error.code"
equals = "bad"
meaning = "grant_over"
[[token.errors]]
field = "error.retry"
meaning = "slow_down"
wait = "error.retry.seconds"
[account]"""


def test_errors_below_the_member_that_has_the_text() -> None:
    below = dialect(("\n[account]", ROWS))
    made = token_error(below, OAuthError("invalid_grant", "because"))
    assert json.loads(bytes(made.body)) == {"status": 503, "error": {"code": "bad"}}
    made = token_error(below, OAuthError("slow_down", "because"), wait=9)
    assert json.loads(bytes(made.body)) == {"status": 503, "error": {"retry": {"seconds": 9}}}
    absent = dialect(("\n[account]", ROWS), ('"status", equals = 0', '"error.code", absent = true'))
    made = token_error(absent, OAuthError("invalid_client", "because"))
    assert json.loads(bytes(made.body)) == {"error": {"code": "401"}}
