"""The meaning of an error answer: by the rules of an entry, for errors known from vendors outside our catalogue, by its
code, and by its status."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.entry.provider import Provider
from providers.error_answer import LONGEST_WAIT
from providers.errors import ErrorAnswer, Meaning, UnreadableResponse
from providers.token_answer import read_token_answer
from tests.providers.error_answers import entry, said
from tests.providers.token_answers import NOW
from wire.http.response import Response

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


TEMPORARY = [408, 425, 500, 501, 502, 503, 504, 599]
MISCONFIGURED = [401, 403, 404, 405, 410, 415]


@pytest.mark.parametrize("status", range(400, 600))
def test_what_a_status_means_without_a_code(status: int) -> None:
    expected = Meaning.UNCLEAR
    if status in TEMPORARY or status >= 500:
        expected = Meaning.TEMPORARY
    elif status == 429:
        expected = Meaning.SLOW_DOWN
    elif status in MISCONFIGURED:
        expected = Meaning.MISCONFIGURED
    assert said(entry(), {}, status).meaning == expected


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_code_says_more_than_a_status_and_retry_after(status: int) -> None:
    found = said(entry(), {"error": "redirect_uri_mismatch"}, status, retry_after="7")
    assert (found.error, found.meaning, found.retry_after) == ("redirect_uri_mismatch", Meaning.MISCONFIGURED, None)


@pytest.mark.parametrize("status", [408, 425, 429, 500])
def test_an_outage_says_more_than_a_code(status: int) -> None:
    found = said(entry(), {"error": "invalid_grant"}, status, retry_after="7")
    expected = Meaning.SLOW_DOWN if status == 429 else Meaning.TEMPORARY
    assert (found.error, found.meaning, found.retry_after) == ("invalid_grant", expected, 7)


def test_a_rule_for_one_status_matches_no_other() -> None:
    rule = entry("status = 418\nfield = 'a'\nmeaning = 'slow_down'")
    assert said(rule, {"a": 1}, 418).meaning == Meaning.SLOW_DOWN
    assert said(rule, {"a": 1}, 419).meaning == Meaning.UNCLEAR
    assert said(rule, {"b": 1}, 418).meaning == Meaning.UNCLEAR


@pytest.mark.parametrize("value", [["Too many"], {"Too many": 1}, 7, None, "too many", "Too man"])
def test_a_prefix_matches_strings_only(value: object) -> None:
    rule = entry("field = 'a'\nstarts_with = 'Too many'\nmeaning = 'passing'")
    assert said(rule, {"a": "Too many"}).meaning == Meaning.TEMPORARY
    assert said(rule, {"a": value}).meaning == Meaning.UNCLEAR


@pytest.mark.parametrize("member", ["errorType", "code", "error", "type"])
def test_the_members_that_may_hold_a_code(member: str) -> None:
    for body in ({"error": {member: "invalid_client"}}, {"errors": [{"x": 1}, {member: "invalid_client"}]}):
        assert said(entry(), body).error == "invalid_client"
    assert said(entry(), {"error": {f"x{member}": "invalid_client"}}).error is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ErrorAnswer("invalid_grant", 400, Meaning.GRANT_OVER), "400: invalid_grant (grant_over)"),
        (ErrorAnswer(None, 503, Meaning.TEMPORARY), "503: no registered error code (passing)"),
    ],
)
def test_an_error_says_its_status_its_code_and_its_meaning(error: ErrorAnswer, text: str) -> None:
    assert str(error) == f"error answer with HTTP status {text}"
    assert (error.retry_after, error.overdue) == (None, False)


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
