"""The meaning of an error answer: the rules of an entry, for errors known from vendors outside our catalogue, and how
long to wait."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.error_answer import LONGEST_WAIT
from providers.errors import ErrorAnswer, Meaning, UnreadableResponse
from providers.provider import Provider
from providers.token_answer import read_token_answer
from tests.providers.entries import provider
from wire.http.response import Response

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def entry(*rules: str, token: str = "") -> Provider:
    """An entry with these rules, each given as lines of TOML."""
    return provider(token=token + "".join(f"\n[[token.errors]]\n{rule}" for rule in rules))


def said(entry: Provider, body: object, status: int = 400, **headers: str) -> ErrorAnswer:
    fields = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ErrorAnswer) as raised:
        read_token_answer(entry, Response(status, content, headers=fields), NOW)
    return raised.value


# One for each known way in which vendors differ from RFC 6749.
NUMBERS = entry(
    "field = 'sub_error'\nequals = 12304\nmeaning = 'misconfigured'",
    "field = 'sub_error'\nequals = [20155, 20156, 20158, 11205, 31204]\nmeaning = 'grant_over'",
)
SENTENCES = entry("field = 'error'\nstarts_with = 'Too many unrevoked'\nmeaning = 'passing'")
STATUSES = entry(
    "status = 404\nfield = 'error'\nequals = 'Client and/or secret not found'\nmeaning = 'misconfigured'",
    "status = 404\nmeaning = 'grant_over'",
)
MARKS = entry("field = 'result'\nmeaning = 'grant_over'")
CODES = entry(
    "status = 401\nmeaning = 'grant_over'",
    "field = 'code'\nequals = -1004\nmeaning = 'grant_over'",
)
CAPITALS = entry(
    "field = 'ErrorCode'\nequals = 1001\nmeaning = 'misconfigured'", "field = 'ErrorCode'\nmeaning = 'grant_over'"
)
VENDORS: list[tuple[Provider, int, Any, Meaning]] = [
    (NUMBERS, 400, {"error": 1101, "sub_error": 20156, "error_description": "x"}, Meaning.GRANT_OVER),
    (NUMBERS, 400, {"error": 1203, "sub_error": 11205}, Meaning.GRANT_OVER),
    (NUMBERS, 400, {"error": 1101, "sub_error": 12304}, Meaning.MISCONFIGURED),
    (NUMBERS, 400, {"error": 1101, "sub_error": "12304"}, Meaning.UNCLEAR),
    (NUMBERS, 503, {}, Meaning.TEMPORARY),
    (SENTENCES, 400, {"error": "Too many unrevoked access tokens exist."}, Meaning.TEMPORARY),
    (SENTENCES, 400, {"error": "invalid_grant", "error_description": "x"}, Meaning.GRANT_OVER),
    (STATUSES, 404, {"status": 404, "error": "Client and/or secret not found"}, Meaning.MISCONFIGURED),
    (STATUSES, 404, {"status": 404, "error": "another text"}, Meaning.GRANT_OVER),
    (STATUSES, 422, {"status": 422, "error": "another text"}, Meaning.UNCLEAR),
    (MARKS, 200, {"result": "1001", "message": "x"}, Meaning.GRANT_OVER),
    (CODES, 401, {"code": 0, "message": "invalid token"}, Meaning.GRANT_OVER),
    (CODES, 400, {"code": -1004, "message": "Invalid parameter"}, Meaning.GRANT_OVER),
    (CAPITALS, 200, {"Error": "x", "ErrorCode": 1001}, Meaning.MISCONFIGURED),
    (CAPITALS, 200, {"Error": "x", "ErrorCode": 4001}, Meaning.GRANT_OVER),
    (entry(), 429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, Meaning.SLOW_DOWN),
    (entry(), 403, b"<html>", Meaning.MISCONFIGURED),
]


@pytest.mark.parametrize(("entry", "status", "body", "meaning"), VENDORS)
def test_errors_in_the_form_of_vendors(entry: Provider, status: int, body: Any, meaning: Meaning) -> None:
    assert said(entry, body, status).meaning == meaning


def test_the_first_matching_rule_decides() -> None:
    rules = ["field = 'a.0'\nequals = 1\nmeaning = 'slow_down'", "field = 'a'\nmeaning = 'misconfigured'"]
    assert said(entry(*rules), {"a": [1]}).meaning == Meaning.SLOW_DOWN
    assert said(entry(*reversed(rules)), {"a": [1]}).meaning == Meaning.MISCONFIGURED


@pytest.mark.parametrize(
    "body", [{}, {"a": None}, {"a": []}, {"a": [{}]}, {"a": "b"}, {"a": [["x"]]}, {"a": [{"b": None}]}]
)
def test_a_path_without_a_value_matches_nothing(body: object) -> None:
    assert said(entry("field = 'a.0.b'\nmeaning = 'misconfigured'"), body).meaning == Meaning.UNCLEAR


@pytest.mark.parametrize(
    ("equals", "fitting", "others"),
    [
        ("1", [1, 1.0], [True, 1.5, "1", [1], None]),
        ("true", [True], [1, 1.0, "true", False]),
        ("'x'", ["x"], ["X", "x ", ["x"], {"x": 1}]),
        ("['x', 2]", ["x", 2], ["2", ["x", 2]]),
    ],
)
def test_values_are_compared_as_in_json(equals: str, fitting: list[Any], others: list[Any]) -> None:
    rule = entry(f"field = 'a'\nequals = {equals}\nmeaning = 'misconfigured'")
    assert {said(rule, {"a": value}).meaning for value in fitting} == {Meaning.MISCONFIGURED}
    assert {said(rule, {"a": value}).meaning for value in others} == {Meaning.UNCLEAR}


def test_a_rule_takes_precedence_over_code_and_status() -> None:
    rule = entry("field = 'error_description'\nstarts_with = 'Client'\nmeaning = 'misconfigured'")
    found = said(rule, {"error": "invalid_grant", "error_description": "Client unknown"}, 503)
    assert (found.error, found.meaning) == ("invalid_grant", Meaning.MISCONFIGURED)


def test_rules_apply_to_errors_only() -> None:
    rule = entry("status = 200\nmeaning = 'misconfigured'")
    good = b'{"access_token": "abc"}'
    assert read_token_answer(rule, Response(200, good), NOW).access_token == "abc"
    for bad in (b"no JSON", b"[]", b'{"access_token": 7}', b'{"access_token": "a", "access_token": "b"}'):
        with pytest.raises(UnreadableResponse):
            read_token_answer(rule, Response(200, bad), NOW)


@pytest.mark.parametrize("token", ["", ', "access_token": null', ', "access_token": ""'])
def test_rules_apply_to_a_success_without_a_token(token: str) -> None:
    rule = entry("field = 'code'\nequals = 1001\nmeaning = 'misconfigured'")
    assert said(rule, b'{"code": 1001%b}' % token.encode(), 200).meaning == Meaning.MISCONFIGURED
    with pytest.raises(UnreadableResponse):
        read_token_answer(rule, Response(200, b'{"code": 7%b}' % token.encode()), NOW)


def test_a_duplicated_success_member_is_unreadable() -> None:
    marked = entry(token="success = {field = 'status', equals = 0}")
    with pytest.raises(UnreadableResponse):
        read_token_answer(marked, Response(200, b'{"status": 0, "status": 503, "access_token": "abc"}'), NOW)


def test_an_ambiguous_member_of_an_error_counts_as_absent() -> None:
    assert said(entry(), b'{"error": "invalid_grant", "error": "invalid_client"}').meaning == Meaning.UNCLEAR


# How long to wait


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("7", 7),
        ("0", 1),
        ("007", 7),
        ("999999999999", LONGEST_WAIT),
        ("9" * 21, LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
        ("-1", None),
        ("1.5", 2),
        ("120.5", 121),
        ("120.", None),
        (".5", None),
        ("1e3", None),
        ("soon", None),
        ("", None),
        ("\u00b2", None),
        ("Mon, 23 Nov 2026", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("x" * 100_000, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(status: int, value: str, wait: int | None) -> None:
    assert said(entry(), {}, status, retry_after=value).retry_after == wait


def test_retry_after_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    wait = said(entry(), {}, 503, retry_after=date).retry_after
    assert wait is not None
    assert 80 <= wait <= 90


@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_a_refusal_with_retry_after_decides_nothing(status: int) -> None:
    body = {"errors": ["made up"]}
    assert said(entry(), body, status, retry_after="7").meaning == Meaning.SLOW_DOWN
    assert said(entry(), body, status, retry_after="soon").meaning in (Meaning.UNCLEAR, Meaning.MISCONFIGURED)


def test_retry_after_is_ignored_if_waiting_does_not_help() -> None:
    assert said(entry(), {"error": "invalid_grant"}, retry_after="7").retry_after is None
    assert said(entry(), {"error": "invalid_client"}, 401, retry_after="7").retry_after is None
    assert said(entry(), {"error": "temporarily_unavailable"}, retry_after="7").retry_after == 7


@pytest.mark.parametrize(
    ("told", "wait"),
    [(68, 68), (0.2, 1), (67.1, 68), ("68", 68), (10**30, LONGEST_WAIT), (-1, 5), (True, 5), (None, 5), ([68], 5)],
)
def test_a_wait_in_the_body(told: object, wait: int) -> None:
    rule = entry("field = 'status'\nequals = 601\nmeaning = 'slow_down'\nwait = 'body.wait_seconds'")
    # If the body doesn't say it, the header may.
    found = said(rule, {"status": 601, "body": {"wait_seconds": told}}, retry_after="5")
    assert (found.meaning, found.retry_after) == (Meaning.SLOW_DOWN, wait)


def test_a_wait_in_a_vendor_specific_header() -> None:
    rule = entry("status = 429\nmeaning = 'slow_down'\nwait_header = 'X-RateLimit-Reset'")
    assert said(rule, {}, 429, **{"x-ratelimit-reset": "30", "retry-after": "5"}).retry_after == 30
    assert said(rule, {}, 429, **{"x-ratelimit-reset": "soon", "retry-after": "5"}).retry_after == 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("invalid_grant"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "errors", "errorType", "a", "0", "CANARY"]), inner)
    ),
    max_leaves=10,
)
RULES = entry(
    "field = 'errors.0.errorType'\nstarts_with = 'a'\nmeaning = 'slow_down'\nwait = 'errors.0.a'",
    "field = 'a.a.0'\nmeaning = 'grant_over'",
    "field = 'error'\nequals = [0, '', true]\nmeaning = 'passing'\nwait_header = 'x-wait'",
)


@settings(deadline=None)
@given(body=JSON, status=st.sampled_from([400, 401, 418, 429, 500]), wait=st.text(max_size=12))
def test_any_error_has_one_meaning_and_quotes_nothing(body: object, status: int, wait: str) -> None:
    found = said(RULES, body, status, **{"x-wait": "CANARY", "retry-after": wait.encode("ascii", "replace").decode()})
    assert found.meaning in Meaning
    assert found.retry_after is None or 1 <= found.retry_after <= LONGEST_WAIT
    assert "CANARY" not in str(found) + repr(found)
