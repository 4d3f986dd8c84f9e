"""The answers' outer form: JSON documents, error documents and tokens as a dialect wraps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from starlette.responses import Response

from sandbox.dialect import Dialect, Success
from sandbox.refusal import Refusal

_MEANINGS = {
    "invalid_grant": "grant_over",
    "invalid_client": "misconfigured",
    "unauthorized_client": "misconfigured",
    "slow_down": "slow_down",
    "temporarily_unavailable": "passing",
}
"""The meaning of RFC error codes, in the catalogue's terms."""

_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def document(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that nobody may store (RFC 6749 5.1)."""
    return Response(json.dumps(value), status, {**_HEADERS, **(headers or {})}, "application/json")


def empty() -> Response:
    """Success with nothing to say."""
    return Response(None, 204, _HEADERS)


def page(html: str, status: int, headers: Mapping[str, str]) -> Response:
    return Response(html, status, {**_HEADERS, **headers}, "text/html")


def redirect(address: str) -> Response:
    """A 302 to exactly this address; Starlette's own would quote it again."""
    return Response(None, 302, {**_HEADERS, "Location": address})


def refusal(refused: Refusal) -> Response:
    """An error as RFC 6749 5.2 and RFC 6750 3 write it."""
    return document(refused.document, refused.status, _challenge(refused))


def token_success(dialect: Dialect, token: Mapping[str, Any] | None) -> Response:
    """The token object where the dialect puts it; None when the tokens live on and there is only success to tell."""
    if token is None:
        return document(_mark(dialect.success or Success("result", "0000")))
    answer = put({}, dialect.root, dict(token)) if dialect.root else dict(token)
    return document({**_mark(dialect.success), **answer})


def token_refusal(dialect: Dialect, refused: Refusal, *, wait: float | None = None) -> Response:
    """In the provider's own form if its entry defines one. For a provider whose errors are HTTP 200 (Withings, COROS),
    the answer is a 200 with another status value and a sentence. `wait` is seconds."""
    words = dialect.words(_MEANINGS.get(refused.error))
    body, status = _refused(dialect, refused), refused.status if dialect.success is None else 200
    headers = _challenge(refused) if dialect.success is None else {}
    if words is not None:
        body = put(body if dialect.success else {}, words.field, words.value) if words.field else body
        status = words.status or status
    if wait is not None and words is not None and words.wait:
        put(body, words.wait, int(wait))
    elif wait is not None:
        headers[(words and words.wait_header) or "Retry-After"] = str(int(wait))
    return document(body, status, headers)


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Set `value` at a dotted path, creating the objects and, for whole numbers, the lists on the way."""
    names = path.split(".")
    place: Any = document
    for name, next_name in pairwise(names):
        place = _within(place, name, [] if next_name.isdecimal() else {})
    if names[-1].isdecimal():
        _within(place, names[-1], value)
    else:
        place[names[-1]] = value
    return document


def _within(place: Any, name: str, empty: object) -> Any:
    if not name.isdecimal():
        return place.setdefault(name, empty)
    if int(name) >= len(place):
        place.extend([*[None] * (int(name) - len(place)), empty])
    return place[int(name)]


def account_value(account: str) -> str | int:
    """The account's id as JSON: a number when it looks like one, since many providers number their users."""
    return int(account) if account.isascii() and account.isdecimal() and str(int(account)) == account else account


def _refused(dialect: Dialect, refused: Refusal) -> dict[str, Any]:
    if dialect.success is None:
        return dict(refused.document)
    mark = put({}, dialect.success.field, _failure_mark(dialect.success.equals, refused))
    return {**mark, "error": f"Invalid Params: {refused.description}"}


def _mark(success: Success | None) -> dict[str, Any]:
    return put({}, success.field, success.equals) if success else {}


def _failure_mark(success: object, refused: Refusal) -> object:
    """A value of the same type that is not success: 503 is Withings' word for a bad code, 401 for a bad client."""
    if isinstance(success, bool):
        return not success
    number = 401 if refused.error == "invalid_client" else 503
    return number if isinstance(success, int) else str(number)


def _challenge(refused: Refusal) -> dict[str, str]:
    return {"WWW-Authenticate": refused.challenge} if refused.challenge else {}
