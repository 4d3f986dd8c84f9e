"""Token answers beside a plain reading: what is accepted says so whichever of two equal keys counts, what is plainly
good is accepted, and nothing but the two errors of `read_token_answer` is raised."""

from __future__ import annotations

import codecs
import json
import string
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from providers.errors import REGISTERED, ErrorAnswer
from providers.token_answer import TokenAnswer, read_token_answer
from tests.providers.entries import provider
from wire.http.errors import UnreadableResponse
from wire.http.response import Response

INSTRUMENTED: Final = ["wire", "providers", "json"]
WORDS: Final = [
    *(f'"{name}":'.encode() for name in ("access_token", "refresh_token", "token_type", "expires_in", "expires_at")),
    *(f'"{name}":'.encode() for name in ("scope", "error", "errors", "error_description", "body", "status", "user")),
    *(b'"Bearer"', b'"id":7', b'"id":"u"', b"1e3", b"null", b'"e30.eyJleHAiOjF9.c2ln"', b'"exp":1', b'"invalid_grant"'),
]
NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_RULES: Final = """
root = 'body'
success = {field = 'status', equals = 0}
account = 'user.id'
errors = [
  {field = 'status', equals = [7, 'x', true], meaning = 'slow_down', wait = 'body.wait'},
  {field = 'error.0.code', starts_with = 'ex', meaning = 'grant_over'},
  {status = 429, meaning = 'passing', wait_header = 'Retry-After'},
]
"""
ENTRIES: Final = {
    "p": provider(),
    "n": provider(token=_RULES),
    "e": provider(token="expires = 'expires_at'\naccount = 'id'"),
    "j": provider(token="expires = 'jwt'"),
    "o": provider(token="expires = 'never'", authorize="scope_separator = ','"),
}
"""By the first character of the input. The second one is the status."""

STATUSES: Final = {"2": 200, "1": 201, "4": 400, "u": 401, "m": 429, "5": 503, "3": 302}
_VISIBLE: Final = {chr(code) for code in range(0x21, 0x7F)}


def check(data: bytes) -> None:
    entry, status = ENTRIES.get(chr(data[0])) if data else None, STATUSES.get(chr(data[1])) if len(data) > 1 else None
    if entry is None or status is None:
        return
    content = data[2:]
    headers = [(b"retry-after", content[-3:])]
    try:
        answer = read_token_answer(entry, Response(status, content, headers), NOW)
    except (ErrorAnswer, UnreadableResponse) as refusal:
        answer = refusal
    if entry is ENTRIES["p"]:
        _check_plain(answer, content, status)
    if not isinstance(answer, TokenAnswer):
        return
    assert status in (200, 201)
    for first_counts in (True, False):
        whole = _read(content, first_counts=first_counts)
        _compare(answer, whole["body"] if entry is ENTRIES["n"] else whole, data[0:1])


def _read(content: bytes, *, first_counts: bool) -> Any:
    """By Python's parser, where the first or the last of two equal keys counts."""
    text = content.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape")
    return json.loads(
        text,
        strict=False,
        parse_int=lambda digits: int(digits[:4000]),
        object_pairs_hook=lambda pairs: dict(reversed(pairs)) if first_counts else dict(pairs),
    )


def _compare(answer: TokenAnswer, token: dict[str, Any], kind: bytes) -> None:
    assert not token.get("error")
    assert not token.get("errors")
    assert answer.access_token == token["access_token"]
    assert {*answer.access_token} <= _VISIBLE
    assert answer.refresh_token == (token.get("refresh_token") or None)
    assert (token.get("token_type") or "bearer").lower() == "bearer"
    scope = token.get("scope") or []
    separator = "," if kind == b"o" else " "
    named = scope.replace(separator, " ").split() if isinstance(scope, str) else scope
    assert answer.scopes == (tuple(dict.fromkeys(named)) or None)
    if kind in (b"p", b"n"):
        _compare_expiry(answer, token.get("expires_in"), NOW)
    elif kind == b"e":
        _compare_expiry(answer, token.get("expires_at"), _EPOCH)
    elif kind == b"o":
        assert answer.expires_at is None
    place = {b"n": (token.get("user") or {}), b"e": token}.get(kind, {})
    if answer.account is not None:
        assert answer.account in (str(place["id"]), str(int(float(place["id"]))) if answer.account.isdigit() else "")


def _compare_expiry(answer: TokenAnswer, seconds: Any, since: datetime) -> None:
    if seconds is None:
        assert answer.expires_at is None
    else:
        assert not isinstance(seconds, bool)
        assert answer.expires_at == since + timedelta(seconds=int(seconds))


def _check_plain(answer: TokenAnswer | ErrorAnswer | UnreadableResponse, content: bytes, status: int) -> None:
    """What every client would read in the same way."""
    try:
        whole = json.loads(content.decode(), object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        return
    if status == 200 and _is_plainly_good(whole):
        assert isinstance(answer, TokenAnswer)
    # A redirect is no answer of the token endpoint.
    if status != 302 and isinstance(whole, dict) and len(whole) == 1 and whole.get("error") in [*REGISTERED]:
        assert isinstance(answer, ErrorAnswer)
        assert (answer.error, answer.status) == (whole["error"], status)


def _is_plainly_good(whole: Any) -> bool:
    """Whether this has only the members that every client knows, and all of them are as they should be."""
    simple = isinstance(whole, dict) and all(isinstance(value, str | int | None) for value in whole.values())
    if not simple or {*whole} - {"access_token", "refresh_token", "token_type", "expires_in", "scope"}:
        return False
    lifetime = whole.get("expires_in", 0)
    names = {*string.ascii_letters, *string.digits, *" :/._-"}
    scope = whole.get("scope", "")
    return (
        _is_token(whole.get("access_token"))
        and ("refresh_token" not in whole or _is_token(whole["refresh_token"]))
        and whole.get("token_type", "Bearer") in ("Bearer", "bearer")
        and (isinstance(lifetime, int) and not isinstance(lifetime, bool) and 0 <= lifetime < 10**8)
        and (isinstance(scope, str) and {*scope} <= names and all(len(one) <= 256 for one in scope.split()))
    )


def _is_token(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 4096 and {*value} <= _VISIBLE


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a member occurs twice")
    return dict(pairs)
