"""Whatever a provider sends, the result is an answer or a safe error, and neither shows a token. Only a provider that
says that a grant is over ends it."""

from __future__ import annotations

import json
import traceback
from datetime import UTC, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.entry.provider import Provider
from providers.errors import Effect, ErrorAnswer, RequestFailed, UnreadableResponse, effect_of
from providers.token_answer import PresentToken, read_token_answer
from tests.providers.entries import provider
from tests.providers.token_answers import EPOCH, JWT, NESTED, NEVER, NOW, PLAIN, jwt
from wire.http.response import Response

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(
        ["CANARY", "CANARY CANARY", "invalid_grant", "Bearer", "e30.CANARY.x", jwt({"exp": 10**400}), jwt({"id": 7})]
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "exp", "errorType", "x"]), inner)
    ),
    max_leaves=8,
)
MEMBERS = [
    "refresh_token",
    "token_type",
    "expires_in",
    "expires_at",
    "scope",
    "error",
    "errors",
    "id",
    "id_token",
    "user",
]


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Token answers of which a few members are wrong, in an envelope or not."""
    token: dict[str, Any] = {"access_token": draw(st.just("CANARY") | JSON)}
    token |= draw(st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=3))
    if draw(st.booleans()):
        return token
    return {"status": draw(st.sampled_from([0, 1, "0"])), "body": draw(st.just(token) | JSON)}


COROS = provider(token="refresh = 'extending'\nextended = { field = 'id', equals = 'x' }")
ABSENT = provider(
    token="refresh = 'extending'\nextended = {field = 'id', equals = 'x'}\nsuccess = {field = 'id', absent = true}"
)
PREFIX = provider(token="scope_prefix = 'x'")
CLAIM = provider(token="account_claim = 'id'")
ENTRIES = st.sampled_from([PLAIN, NESTED, EPOCH, JWT, NEVER, COROS, ABSENT, PREFIX, CLAIM])
PRESENT = st.sampled_from([None, PresentToken("CANARY", None), PresentToken("CANARY", timedelta(days=1))])
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


@settings(deadline=None)
@given(entry=ENTRIES, answer=answers(), status=STATUSES, present=PRESENT)
def test_arbitrary_answers_to_a_refresh_are_final_only_if_they_say_so(
    entry: Provider, answer: dict[str, Any], status: int, present: PresentToken | None
) -> None:
    content = json.dumps(answer).encode()
    effect = _read_safely(entry, content, status, present)
    assert effect is not Effect.NOT_SENT
    if b"invalid_grant" not in content or status >= 500:
        assert effect is not Effect.REFUSED


@settings(deadline=None)
@given(mark=st.just("x") | st.none() | JSON, has_tokens=st.booleans(), present=PRESENT)
def test_a_success_by_absence_is_one_only_without_the_member_or_with_the_mark_of_an_extension(
    mark: object, *, has_tokens: bool, present: PresentToken | None
) -> None:
    body = {"id": mark} | ({"access_token": "new"} if has_tokens else {})
    answer = Response(200, json.dumps(body).encode())
    if mark not in (None, "x"):
        with pytest.raises(ErrorAnswer):
            read_token_answer(ABSENT, answer, NOW, present)
    elif has_tokens or (mark == "x" and present is not None):
        found = read_token_answer(ABSENT, answer, NOW, present)
        assert found.access_token == ("new" if has_tokens else "CANARY")
    else:
        with pytest.raises(UnreadableResponse):
            read_token_answer(ABSENT, answer, NOW, present)


def _read_safely(entry: Provider, content: bytes, status: int, present: PresentToken | None = None) -> Effect | None:
    answer = Response(status, content)
    effect = None
    try:
        found = read_token_answer(entry, answer, NOW, present)
    except RequestFailed as raised:
        effect = effect_of(raised)
        shown = str(raised) + repr(raised) + repr(raised.args) + "".join(traceback.format_exception(raised))
    else:
        assert isinstance(found.access_token, str)
        assert found.expires_at is None or found.expires_at.tzinfo is UTC
        # Scopes are public words and shown.
        shown = repr(found).replace(repr(found.scopes), "")
    assert "CANARY" not in shown + repr(answer)
    return effect
