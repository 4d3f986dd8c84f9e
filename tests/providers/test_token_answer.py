"""Token answers as providers send them, and what each of their errors means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from providers.errors import REGISTERED, ErrorAnswer, Meaning, UnreadableResponse
from providers.token_answer import MAX_SCOPES, TokenAnswer
from tests.providers.entries import provider
from tests.providers.token_answers import EPOCH, GOOD, NESTED, NEVER, NOW, PLAIN, fault, read

MEANINGS = {
    "access_denied": Meaning.ACCESS_DENIED,
    "invalid_client": Meaning.MISCONFIGURED,
    "invalid_grant": Meaning.GRANT_OVER,
    "invalid_redirect_uri": Meaning.MISCONFIGURED,
    "invalid_request": Meaning.UNCLEAR,
    "invalid_scope": Meaning.MISCONFIGURED,
    "redirect_uri_mismatch": Meaning.MISCONFIGURED,
    "server_error": Meaning.TEMPORARY,
    "slow_down": Meaning.SLOW_DOWN,
    "temporarily_unavailable": Meaning.TEMPORARY,
    "unauthorized_client": Meaning.MISCONFIGURED,
    "unsupported_grant_type": Meaning.MISCONFIGURED,
    "unsupported_response_type": Meaning.MISCONFIGURED,
}


def test_a_full_answer_is_read() -> None:
    said = GOOD | {"refresh_token": "def", "expires_in": 60, "scope": "sleep  offline sleep", "more": [1]}
    assert read(said) == TokenAnswer("abc", "def", "Bearer", NOW + timedelta(seconds=60), ("sleep", "offline"), None)


@pytest.mark.parametrize("status", [200, 201, 299])
def test_any_success_is_read(status: int) -> None:
    assert read(GOOD, status=status).access_token == "abc"


@pytest.mark.parametrize("written", ["Bearer", "bearer", "BEARER", None, ""])
def test_the_only_type_of_token(written: str | None) -> None:
    assert read(GOOD | {"token_type": written}).token_type == "Bearer"


def test_a_minimal_answer_is_read() -> None:
    assert read({"access_token": "abc"}) == TokenAnswer("abc", None, "Bearer", None, None, None)


def test_no_token_is_shown_by_repr() -> None:
    shown = repr(read(GOOD | {"access_token": "CANARY", "refresh_token": "CANARY", "id": "CANARY"}, EPOCH))
    assert "CANARY" not in shown


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 7},
        {"access_token": ["abc"]},
        {"access_token": "a b"},
        {"access_token": "a\n"},
        {"access_token": "é"},
        {"access_token": "a" * (16 * 1024 + 1)},
        {"refresh_token": False},
        {"refresh_token": "a\r\nb"},
        {"token_type": "mac"},
        {"token_type": 1},
        {"expires_in": -1},
        {"expires_in": "3600"},
        {"expires_in": "3600.7"},
        {"expires_in": -0.1},
        {"expires_in": 1e300},
        {"expires_in": [3600]},
        {"expires_in": True},
        {"expires_in": 10**10},
        {"expires_in": 10**300},
        {"scope": 1},
        {"scope": {"a": "b"}},
        {"scope": ["a", 1]},
        {"scope": ["a b"]},
        {"scope": "é"},
        {"scope": "a" * 257},
        {"scope": " ".join(f"{number:0200}" for number in range(MAX_SCOPES // 200 + 1))},
    ],
)
def test_invalid_input_is_refused(change: dict[str, Any]) -> None:
    found = fault(GOOD | change)
    assert isinstance(found, UnreadableResponse)
    assert found.status == 200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>abc</html>",
        b"access_token=abc&token_type=bearer",
        b'"abc"',
        b"[]",
        b"null",
        b'{"access_token": "abc", "access_token": "def"}',
        b'{"access_token": "abc", "expires_in": NaN}',
        b'{"access_token": "abc"} {}',
        b'{"access_token": "abc", "access_token": "abc"}',
        b'{"access_token": "abc", "\\u0061ccess_token": "def"}',
        b'{"access_token": "abc", "refresh_token": "def", "refresh_token": "ghi"}',
        b'{"access_token": "abc", "scope": "a", "scope": "b"}',
        b'{"access_token": "abc", "expires_in": 1, "expires_in": 2}',
        b'{"access_token": "abc", "token_type": "Bearer", "token_type": "mac"}',
        b'{"access_token": "abc", "error": null, "error": null}',
        b'{"access_token": "abc", "errors": [], "errors": []}',
        b'{"access_token": "abc", "expires_in": 1e999}',
        b'{"access_token": "abc", "scope": "a\\u0000"}',
        b'{"access_token": "abc\\ud800"}',
        b'{"access_token": "abc\xff"}',
        b'{"access_token": "abc", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"access_token": "abc", "expires_in": ' + b"9" * 10_000 + b"}",
        "{'access_token': 'abc'}".encode("utf-16"),
    ],
)
def test_a_body_that_is_no_object_or_malformed_is_unreadable(content: bytes) -> None:
    assert isinstance(fault(content), UnreadableResponse)


@pytest.mark.parametrize("status", [101, 199, 300, 301, 302, 307, 308, 399, 600])
def test_a_status_that_is_neither_success_nor_error(status: int) -> None:
    found = fault(GOOD, status=status)
    assert isinstance(found, UnreadableResponse)
    assert found.status == status


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize("error", sorted(REGISTERED))
def test_a_registered_error_code(error: str, status: int) -> None:
    found = fault(GOOD | {"error": error, "error_description": "CANARY"}, status=status)
    assert isinstance(found, ErrorAnswer)
    assert (found.error, found.status) == (error, status)
    assert found.meaning == MEANINGS[error]
    assert error in str(found)
    assert "CANARY" not in str(found)


@pytest.mark.parametrize(
    "body",
    [
        {"error": "CANARY"},
        {"error": {"code": "CANARY", "message": "invalid_grant"}},
        {"error": [["invalid_grant"], {"details": {"code": "invalid_grant"}}]},
        {"error": True},
        {"error": " "},
        {"error": "INVALID_GRANT"},
        {"errors": "CANARY"},
        {"errors": [{"errorType": "CANARY"}, "x", {"errorType": ["invalid_grant"]}]},
        {"error": "CANARY", "message": "invalid_grant", "code": "invalid_grant"},
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_an_error_without_a_registered_code(body: dict[str, Any], status: int) -> None:
    found = fault(GOOD | body, status=status)
    assert isinstance(found, ErrorAnswer)
    assert (found.error, found.meaning) == (None, Meaning.UNCLEAR)
    assert "CANARY" not in str(found) + repr(found)


def test_errors_as_a_list_of_types() -> None:
    found = fault(
        {"errors": [{"errorType": "expired_token"}, {"errorType": "invalid_grant"}], "success": False}, status=400
    )
    assert isinstance(found, ErrorAnswer)
    assert found.error == "invalid_grant"


FRAMES: list[Callable[[str], dict[str, Any]]] = [
    lambda code: {"error": code},
    lambda code: {"error": {"code": code, "message": "CANARY"}},
    lambda code: {"error": {"code": 400, "type": code}},
    lambda code: {"error": [code]},
    lambda code: {"errors": [code]},
    lambda code: {"errors": [{"error": code}]},
    lambda code: {"errors": [{"code": "CANARY"}, {"code": code}]},
    lambda code: {"errors": [{"errorType": code}]},
    lambda code: {"errors": {"code": code}},
    lambda code: {"error": "CANARY", "error_code": code},
    lambda code: {"error_code": code},
]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("code", ["invalid_client", "invalid_grant", "slow_down", "temporarily_unavailable"])
@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_a_registered_code_in_a_vendor_specific_member(
    frame: Callable[[str], dict[str, Any]], code: str, status: int
) -> None:
    for entry, body in ((PLAIN, frame(code)), (NESTED, {"status": 0, "body": frame(code)})):
        if entry is PLAIN or status == 200:
            found = fault(body, entry, status)
            assert isinstance(found, ErrorAnswer)
            assert (found.error, found.meaning) == (code, MEANINGS[code])
            assert "CANARY" not in str(found)


@pytest.mark.parametrize("status", [402, 409, 423, 451])
def test_other_statuses_are_unclear(status: int) -> None:
    found = fault(b"{}", status=status)
    assert isinstance(found, ErrorAnswer)
    assert found.meaning == Meaning.UNCLEAR


NOTHING: list[Any] = [None, "", False, 0, 0.0, {}, []]


@pytest.mark.parametrize("nothing", NOTHING)
@pytest.mark.parametrize("name", ["error", "errors", "error_code"])
def test_an_empty_error_member_is_ignored(name: str, nothing: object) -> None:
    assert read(GOOD | {name: nothing}).access_token == "abc"
    assert read({"status": 0, "body": GOOD | {name: nothing}}, NESTED).access_token == "abc"
    # It is no error without tokens either, but no token answer.
    assert isinstance(fault({name: nothing}), UnreadableResponse)


def test_empty_members_count_as_absent() -> None:
    assert read(GOOD | {"refresh_token": "", "token_type": "", "scope": ""}) == read({"access_token": "abc"})


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (400, Meaning.UNCLEAR),
        (422, Meaning.UNCLEAR),
        (401, Meaning.MISCONFIGURED),
        (403, Meaning.MISCONFIGURED),
        (404, Meaning.MISCONFIGURED),
        (408, Meaning.TEMPORARY),
        (429, Meaning.SLOW_DOWN),
        (500, Meaning.TEMPORARY),
        (503, Meaning.TEMPORARY),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>CANARY</html>", b'{"error": "invalid_grant', b"[" * 1000, b"\x1f\x8b"])
def test_the_meaning_of_an_error_without_a_body(body: bytes, status: int, meaning: Meaning) -> None:
    found = fault(body, status=status)
    assert isinstance(found, ErrorAnswer)
    assert (found.error, found.status, found.meaning) == (None, status, meaning)


def test_a_code_in_an_outage_decides_nothing() -> None:
    found = fault({"error": "invalid_grant"}, status=503)
    assert isinstance(found, ErrorAnswer)
    assert found.meaning == Meaning.TEMPORARY


def test_root_success_and_account() -> None:
    token = GOOD | {"user": {"id": 42}}
    assert read({"status": 0, "body": token}, NESTED).account == "42"
    assert read({"status": 0, "body": GOOD}, NESTED).account is None
    assert read({"status": 0, "body": GOOD | {"user": {"id": "x-1"}}}, NESTED).account == "x-1"


@pytest.mark.parametrize("status", [503, "0", False, 0.5, None])
def test_an_answer_without_the_success_member_is_a_refusal(status: object) -> None:
    found = fault({"status": status, "body": GOOD}, NESTED)
    assert isinstance(found, ErrorAnswer)
    assert (found.error, found.meaning) == (None, Meaning.UNCLEAR)


def test_a_success_number_may_be_written_as_a_float() -> None:
    assert read({"status": 0.0, "body": GOOD}, NESTED).access_token == "abc"


@pytest.mark.parametrize("body", [None, [], "x", {}, {"user": {"id": 7}}])
def test_a_body_that_does_not_fit_its_entry(body: object) -> None:
    found = fault({"status": 0, "body": body}, NESTED)
    assert isinstance(found, UnreadableResponse)
    reason = "access_token is missing" if isinstance(body, dict) else "the token object is missing"
    assert f"unreadable answer with HTTP status 200: {reason}" in str(found)


def test_an_error_next_to_the_tokens_counts_inside_the_root() -> None:
    assert isinstance(fault({"status": 0, "body": GOOD | {"error": "invalid_grant"}}, NESTED), ErrorAnswer)


def test_scopes_are_split_at_the_providers_separator() -> None:
    assert read(GOOD | {"scope": "a,b, c,,"}, NEVER).scopes == ("a", "b", "c")
    assert read(GOOD | {"scope": "a,b"}).scopes == ("a,b",)
    assert read(GOOD | {"scope": ["a", "b"]}).scopes == ("a", "b")
    for absent in ("", " ", "\t\n", None, []):
        assert read(GOOD | {"scope": absent}).scopes is None
    assert read(GOOD | {"scope": ", ,"}, NEVER).scopes is None


def test_the_providers_prefix_of_scopes_is_dropped() -> None:
    prefixed = provider(token="scope_prefix = 'ext:'")
    assert read(GOOD | {"scope": "ext:a b ext:ext:c ext: a"}, prefixed).scopes == ("a", "b", "ext:c", "ext:")
    assert read(GOOD | {"scope": ["ext:a"]}, prefixed).scopes == ("a",)
    assert read(GOOD | {"scope": "ext:a"}).scopes == ("ext:a",)


def test_tokens_and_scopes_up_to_their_limits() -> None:
    longest = "a" * 16 * 1024
    answer = read(GOOD | {"access_token": longest, "refresh_token": longest, "scope": "a" * 256})
    assert (answer.access_token, answer.refresh_token, answer.scopes) == (longest, longest, ("a" * 256,))
    assert isinstance(fault(GOOD | {"refresh_token": longest + "a"}), UnreadableResponse)
    # 8 KiB, each with a separator.
    scopes = [f"{number:0255}" for number in range(32)]
    assert len(read(GOOD | {"scope": scopes}).scopes or ()) == 32
    assert isinstance(fault(GOOD | {"scope": [*scopes, ""]}), UnreadableResponse)
    assert isinstance(fault(GOOD | {"scope": [*scopes[1:], "0" * 256]}), UnreadableResponse)


def test_the_length_of_all_scopes_is_limited() -> None:
    scopes = tuple(f"patient/Resource{number}.rs" for number in range(300))
    assert read(GOOD | {"scope": " ".join(scopes)}).scopes == scopes
    assert read(GOOD | {"scope": [*scopes, *scopes]}).scopes == scopes
