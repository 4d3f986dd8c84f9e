"""Answers to a refresh that extend the present access token instead of issuing another."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from providers.entry.provider import Provider
from providers.errors import Effect, ErrorAnswer, Meaning, RequestFailed, UnreadableResponse, effect_of
from providers.oauth_client import refresh_tokens
from providers.token_answer import PresentToken, TokenAnswer, read_token_answer
from tests.providers.entries import CREDENTIALS, provider
from tests.providers.token_answers import NOW, jwt
from tests.wire.http.fetching import soon
from tests.wire.http.loopback import answering, loopback
from wire.http.client import Client
from wire.http.response import Response

MONTH = timedelta(days=30)
PRESENT = PresentToken("CANARY-present", MONTH)
EXTENDED = "refresh = 'extending'\nextended = { field = 'result', equals = '0000' }\n"
COROS = provider(token=EXTENDED)
MARKED = provider(token="refresh = 'extending'\nroot = 'body'\nsuccess = { field = 'status', equals = 0 }")


def read(body: object, entry: Provider = COROS, present: PresentToken | None = PRESENT) -> TokenAnswer:
    return read_token_answer(entry, Response(200, json.dumps(body).encode()), NOW, present)


@pytest.mark.parametrize(
    ("entry", "body"),
    [
        (COROS, {"result": "0000", "message": "OK"}),
        (COROS, {"result": "0000", "access_token": ""}),
        (COROS, {"result": "0000", "access_token": None, "refresh_token": None}),
        (MARKED, {"status": 0}),
        (MARKED, {"status": 0, "body": None}),
        (MARKED, {"status": 0, "body": {}}),
        (provider(token=EXTENDED + "expires = 'expires_at'"), {"result": "0000"}),
        (provider(token=EXTENDED + "expires = 'jwt'"), {"result": "0000"}),
    ],
)
def test_the_present_token_lives_for_as_long_again(entry: Provider, body: object) -> None:
    answer = read(body, entry, PresentToken(jwt({"exp": 7}), MONTH))
    assert (answer.access_token, answer.refresh_token, answer.scopes) == (jwt({"exp": 7}), None, None)
    assert answer.expires_at == NOW + MONTH


def test_an_answer_may_say_how_long_it_lives() -> None:
    assert read({"result": "0000", "expires_in": 60}).expires_at == NOW + timedelta(seconds=60)


def test_a_token_of_unknown_lifetime_still_has_none() -> None:
    assert read({"result": "0000"}, present=PresentToken("abc", None)).expires_at is None


def test_new_tokens_replace_the_present_one() -> None:
    answer = read({"result": "0000", "access_token": "abc", "refresh_token": "def", "expires_in": 60})
    assert (answer.access_token, answer.refresh_token) == ("abc", "def")


@pytest.mark.parametrize("body", [{"result": "1001"}, {"result": 0}, {"result": False, "message": "CANARY"}])
def test_another_value_of_the_mark_is_an_error(body: object) -> None:
    with pytest.raises(ErrorAnswer) as raised:
        read(body)
    assert effect_of(raised.value) is Effect.NOT_DONE
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize(
    ("entry", "body", "present"),
    [
        (COROS, {}, PRESENT),
        (COROS, {"message": "OK"}, PRESENT),
        (COROS, {"result": "0000"}, None),
        (COROS, {"result": "0000", "access_token": 7}, PRESENT),
        (COROS, {"result": "0000", "expires_in": "soon"}, PRESENT),
        (provider(token="refresh = 'extending'"), {"result": "0000"}, PRESENT),
        (provider(token="refresh = 'reusable'"), {}, PRESENT),
        (provider(token="success = { field = 'status', equals = 0 }"), {"status": 0}, PRESENT),
    ],
)
def test_no_other_answer_without_a_token_extends_anything(
    entry: Provider, body: object, present: PresentToken | None
) -> None:
    with pytest.raises(UnreadableResponse):
        read(body, entry, present)


def test_an_entry_may_tell_an_extension_apart_from_other_successes() -> None:
    both = provider(token=EXTENDED + "success = { field = 'status', equals = 0 }")
    assert read({"status": 0, "result": "0000"}, both).access_token == "CANARY-present"
    with pytest.raises(UnreadableResponse):
        read({"status": 0}, both)


# A success has no `result`, but an extension has one.
ABSENT = provider(token=EXTENDED + "success = { field = 'result', absent = true }")
TOKENS = {"access_token": "abc", "refresh_token": "def", "expires_in": 60}


@pytest.mark.parametrize("present", [PRESENT, None])
@pytest.mark.parametrize("mark", [{}, {"result": None}, {"result": "0000", "message": "OK"}])
def test_a_success_by_absence_may_have_the_mark_of_an_extension(
    mark: dict[str, object], present: PresentToken | None
) -> None:
    answer = read(TOKENS | mark, ABSENT, present)
    assert (answer.access_token, answer.refresh_token) == ("abc", "def")


def test_an_extension_has_what_other_successes_lack() -> None:
    answer = read({"result": "0000", "message": "OK"}, ABSENT)
    assert (answer.access_token, answer.expires_at) == ("CANARY-present", NOW + MONTH)


@pytest.mark.parametrize("present", [PRESENT, None])
@pytest.mark.parametrize("result", ["5001", "", 0, False])
def test_what_a_success_must_lack_is_an_error(result: object, present: PresentToken | None) -> None:
    with pytest.raises(ErrorAnswer) as raised:
        read(TOKENS | {"result": result, "message": "CANARY"}, ABSENT, present)
    assert raised.value.meaning is Meaning.UNCLEAR
    assert "CANARY" not in str(raised.value)


def test_a_row_says_what_such_an_error_means() -> None:
    rows = "errors = [{ field = 'result', equals = '5001', meaning = 'grant_over' }]\n"
    entry = provider(token=EXTENDED + "success = { field = 'result', absent = true }\n" + rows)
    with pytest.raises(ErrorAnswer) as raised:
        read({"result": "5001", "message": "x"}, entry)
    assert effect_of(raised.value) is Effect.REFUSED


@pytest.mark.parametrize("body", [{}, {"message": "OK"}, {"result": None}])
@pytest.mark.parametrize("extended", ["extended = { field = 'result', equals = '0000' }", ""])
def test_an_answer_that_only_lacks_something_extends_nothing(body: object, extended: str) -> None:
    entry = provider(token=f"refresh = 'extending'\n{extended}\nsuccess = {{ field = 'result', absent = true }}")
    with pytest.raises(UnreadableResponse):
        read(body, entry)


def test_an_extension_without_a_present_token_has_no_tokens() -> None:
    with pytest.raises(UnreadableResponse):
        read({"result": "0000"}, ABSENT, None)


def test_the_mark_of_an_extension_is_no_success_of_another_field() -> None:
    entry = provider(token=EXTENDED + "success = { field = 'code', absent = true }")
    with pytest.raises(ErrorAnswer):
        read({"result": "0000", "code": 7}, entry)


def test_an_error_extends_nothing() -> None:
    with pytest.raises(ErrorAnswer) as raised:
        read({"result": "0000", "error": "invalid_grant"})
    assert effect_of(raised.value) is Effect.REFUSED


def test_the_present_token_is_not_shown() -> None:
    assert "CANARY" not in repr(PRESENT) + repr(read({"result": "0000"}))


@pytest.mark.parametrize("present", [PRESENT, None])
async def test_a_refresh_may_extend_the_present_token(ours: Client, present: PresentToken | None) -> None:
    async with loopback(answering(b'{"result": "0000", "message": "OK"}')) as server:
        entry = provider(origin=server.origin, token=EXTENDED)
        asking = refresh_tokens(
            ours, entry, CREDENTIALS, "abc", now=datetime.now(UTC), deadline=soon(), present=present
        )
        if present is None:
            with pytest.raises(RequestFailed):
                await asking
        else:
            answer = await asking
            assert answer.access_token == "CANARY-present"
            assert answer.expires_at is not None
