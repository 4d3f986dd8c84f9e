from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.errors import REGISTERED, ErrorAnswer, Meaning, RequestFailed, UnreadableResponse
from providers.provider import Provider
from providers.token_answer import MAX_SCOPES, TokenAnswer, read_token_answer
from tests.providers.entries import provider
from wire.http.response import Response

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PLAIN = provider()
NESTED = provider(token="root = 'body'\nsuccess = {field = 'status', equals = 0}\naccount = 'user.id'")
EPOCH = provider(token="expires = 'expires_at'\naccount = 'id'")
JWT = provider(token="expires = 'jwt'")
NEVER = provider(token="expires = 'never'", authorize="scope_separator = ','")
GOOD = {"access_token": "abc", "token_type": "Bearer"}
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


def read(value: object, entry: Provider = PLAIN, status: int = 200) -> TokenAnswer:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_token_answer(entry, Response(status, content), NOW)


def fault(value: object, entry: Provider = PLAIN, status: int = 200) -> RequestFailed:
    with pytest.raises(RequestFailed) as raised:
        read(value, entry, status)
    return raised.value


def jwt(payload: object) -> str:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"e30.{base64.urlsafe_b64encode(content).decode().rstrip('=')}.c2ln"


def test_a_full_answer_is_read() -> None:
    said = GOOD | {"refresh_token": "def", "expires_in": 60, "scope": "sleep  offline sleep", "more": [1]}
    assert read(said) == TokenAnswer("abc", "def", "Bearer", NOW + timedelta(seconds=60), ("sleep", "offline"), None)


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
        {"scope": " ".join(f"{number:0200}" for number in range(MAX_SCOPES // 200))},
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


@pytest.mark.parametrize("status", [101, 301, 302, 307, 308, 600])
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


def test_the_length_of_all_scopes_is_limited() -> None:
    scopes = tuple(f"patient/Resource{number}.rs" for number in range(2000))
    assert read(GOOD | {"scope": " ".join(scopes)}).scopes == scopes
    assert read(GOOD | {"scope": [*scopes, *scopes]}).scopes == scopes


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


@pytest.mark.parametrize(
    ("value", "account"),
    [("x-1", "x-1"), (42, "42"), (12.0, "12"), (1e2, "100"), (-0.0, "0"), (-7, "-7"), (2.0**53, str(2**53))],
)
def test_valid_account_ids(value: object, account: str) -> None:
    assert read(GOOD | {"id": value}, EPOCH).account == account


NO_IDS: list[object] = [None, 1.5, 2.0**54, 1e300, True, [], [1], {}, "", "a" * 257, "\x1b", "\ud800", 10**300]


@pytest.mark.parametrize("value", NO_IDS)
def test_an_invalid_account_id_is_ignored(value: object) -> None:
    assert read(GOOD | {"id": value}, EPOCH) == read(GOOD, EPOCH)


@pytest.mark.parametrize("user", [None, "x", 7, True, [], [{"id": 7}], {}, {"id": {}}])
def test_an_account_path_without_a_value_is_ignored(user: object) -> None:
    assert read({"status": 0, "body": GOOD | {"user": user}}, NESTED).account is None


@pytest.mark.parametrize("number", [b"1e999", b"NaN", b"9" * 5000])
def test_a_malformed_number_is_no_account_id(number: bytes) -> None:
    assert read(b'{"access_token": "abc", "id": %b}' % number, EPOCH).account is None


@pytest.mark.parametrize("user", [b'{"id": 1, "id": 1}', b'{"id": 1}, "user": {"id": 1}', b'{}, "user": {}'])
def test_a_duplicated_account_id_is_refused(user: bytes) -> None:
    found = fault(b'{"status": 0, "body": {"access_token": "abc", "user": %b}}' % user, NESTED)
    assert isinstance(found, UnreadableResponse)


def test_a_success_number_may_be_written_as_a_float() -> None:
    assert read({"status": 0.0, "body": GOOD}, NESTED).access_token == "abc"


@pytest.mark.parametrize("body", [None, [], "x", {}, {"user": {"id": 7}}])
def test_a_body_that_does_not_fit_its_entry(body: object) -> None:
    assert isinstance(fault({"status": 0, "body": body}, NESTED), UnreadableResponse)


def test_an_error_next_to_the_tokens_counts_inside_the_root() -> None:
    assert isinstance(fault({"status": 0, "body": GOOD | {"error": "invalid_grant"}}, NESTED), ErrorAnswer)


def test_expiry_as_a_timestamp() -> None:
    assert read(GOOD | {"expires_at": 0}, EPOCH).expires_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert read(GOOD, EPOCH).expires_at is None
    assert read(GOOD | {"expires_at": 1.9}, EPOCH).expires_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    for bad in (-1, "0", True, 10**11):
        assert isinstance(fault(GOOD | {"expires_at": bad}, EPOCH), UnreadableResponse)


def test_expiry_in_a_jwt() -> None:
    assert read({"access_token": jwt({"exp": 60})}, JWT).expires_at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert read({"access_token": jwt({"exp": 60.9})}, JWT).expires_at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert read({"access_token": jwt(b'{"exp": 0, "name": "\\ud800"}')}, JWT).expires_at is not None
    assert read({"access_token": jwt({})}, JWT).expires_at is None
    for bad in (
        "abc",
        "a.b",
        "a.b.c.d",
        "e30.$$$.x",
        "e30.e3.x",
        jwt([]),
        jwt(b"{}{}"),
        jwt({"exp": "60"}),
        jwt({"exp": -1}),
        jwt(b'{"exp": 1, "exp": 2}'),
    ):
        assert isinstance(fault({"access_token": bad}, JWT), UnreadableResponse)


def test_tokens_that_never_expire() -> None:
    assert read(GOOD | {"expires_in": "soon"}, NEVER).expires_at is None


def test_the_longest_lifetime() -> None:
    century = 36_525 * 24 * 60 * 60
    assert read(GOOD | {"expires_in": century}).expires_at == NOW + timedelta(days=36_525)
    assert isinstance(fault(GOOD | {"expires_in": century + 1}), UnreadableResponse)


def test_scopes_are_split_at_the_providers_separator() -> None:
    assert read(GOOD | {"scope": "a,b, c,,"}, NEVER).scopes == ("a", "b", "c")
    assert read(GOOD | {"scope": "a,b"}).scopes == ("a,b",)
    assert read(GOOD | {"scope": ["a", "b"]}).scopes == ("a", "b")
    for absent in ("", " ", "\t\n", None, []):
        assert read(GOOD | {"scope": absent}).scopes is None
    assert read(GOOD | {"scope": ", ,"}, NEVER).scopes is None


@pytest.mark.parametrize(("told", "seconds"), [(3600.0, 3600), (3599.7, 3599), (0.5, 0)])
def test_fractions_of_a_lifetime_are_dropped(told: float, seconds: int) -> None:
    assert read(GOOD | {"expires_in": told}).expires_at == NOW + timedelta(seconds=seconds)


# Whatever comes: a token answer or a safe fault, and no CANARY in what is shown of either.

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["CANARY", "CANARY CANARY", "invalid_grant", "Bearer", "e30.CANARY.x", jwt({"exp": 10**400})]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "exp", "errorType", "x"]), inner)
    ),
    max_leaves=8,
)
MEMBERS = ["refresh_token", "token_type", "expires_in", "expires_at", "scope", "error", "errors", "id", "user"]


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Token answers of which a few members are wrong, in an envelope or not."""
    token: dict[str, Any] = {"access_token": draw(st.just("CANARY") | JSON)}
    token |= draw(st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=3))
    if draw(st.booleans()):
        return token
    return {"status": draw(st.sampled_from([0, 1, "0"])), "body": draw(st.just(token) | JSON)}


ENTRIES = st.sampled_from([PLAIN, NESTED, EPOCH, JWT, NEVER])
STATUSES = st.sampled_from([200, 200, 200, 201, 302, 400, 401, 429, 500])


@settings(deadline=None)
@given(entry=ENTRIES, content=st.binary() | JSON.map(lambda value: json.dumps(value).encode()), status=STATUSES)
def test_arbitrary_bytes_give_a_safe_fault(entry: Provider, content: bytes, status: int) -> None:
    _read_safely(entry, content + b"CANARY", status)
    _read_safely(entry, content, status)


@settings(deadline=None)
@given(entry=ENTRIES, answer=answers(), status=STATUSES)
def test_arbitrary_answers_are_read_or_give_a_safe_fault(entry: Provider, answer: dict[str, Any], status: int) -> None:
    _read_safely(entry, json.dumps(answer).encode(), status)


def _read_safely(entry: Provider, content: bytes, status: int) -> None:
    answer = Response(status, content)
    try:
        found = read_token_answer(entry, answer, NOW)
    except RequestFailed as raised:
        shown = str(raised) + repr(raised) + repr(raised.args) + "".join(traceback.format_exception(raised))
    else:
        assert isinstance(found.access_token, str)
        assert found.expires_at is None or found.expires_at.tzinfo is UTC
        # Scopes are public words and shown.
        shown = repr(found).replace(repr(found.scopes), "")
    assert "CANARY" not in shown + repr(answer)
