"""Responses: JSON documents, redirects, and errors and tokens in the form that a provider uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

from starlette.responses import Response

from sandbox.dialect import Dialect, ErrorForm, Success, find_form
from sandbox.oauth import OAuthError

_MEANINGS = {
    "invalid_grant": "grant_over",
    "invalid_client": "misconfigured",
    "unauthorized_client": "misconfigured",
    "slow_down": "slow_down",
    "temporarily_unavailable": "passing",
}
"""RFC error codes, and the `meaning` that the catalogue uses for them."""

_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def document(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response that must not be cached (RFC 6749 5.1)."""
    return Response(json.dumps(value), status, {**_HEADERS, **(headers or {})}, "application/json")


def empty() -> Response:
    """A success without content."""
    return Response(None, 204, _HEADERS)


def page(html: str, status: int, headers: Mapping[str, str]) -> Response:
    return Response(html, status, {**_HEADERS, **headers}, "text/html")


def redirect(url: str, status: int = 302) -> Response:
    """A redirect to exactly this URL. Starlette's RedirectResponse would quote it again."""
    return Response(None, status, {**_HEADERS, "Location": url})


def error(fault: OAuthError) -> Response:
    """An error in the form of RFC 6749 5.2 and RFC 6750 3."""
    return document(fault.document, fault.status, _challenge(fault))


def endpoint_error(dialect: Dialect, fault: OAuthError, endpoint: str) -> Response:
    """An error of an endpoint other than the token endpoint: that of the RFCs, unless the entry has its own form."""
    form = find_form(dialect.errors_at(endpoint), _MEANINGS.get(fault.error), "token")
    if form is None and dialect.success_at(endpoint) is None:
        return error(fault)
    return token_error(dialect, fault, endpoint=endpoint, form=form)


def token_success(dialect: Dialect, token: Mapping[str, Any] | None) -> Response:
    """A response with the token object at the provider's `root`; without one if `token` is None, because the provider
    extended the old tokens instead."""
    if token is None:
        return document(marked({}, dialect.extended or dialect.success or Success("result", "0000")))
    answer = put({}, dialect.root, dict(token)) if dialect.root else dict(token)
    return document(marked(answer, dialect.success))


def token_error(
    dialect: Dialect,
    fault: OAuthError,
    *,
    endpoint: str = "token",
    form: ErrorForm | None = None,
    wait: float | None = None,
) -> Response:
    """An error in this form, else in the provider's own form if its entry defines one. `wait` is in seconds.

    Providers that send errors with HTTP 200 (Withings, COROS) mark them by a value other than that of a success.
    """
    subject = "refresh" if "refresh" in fault.description else "code"
    form = form or find_form(dialect.errors_at(endpoint), _MEANINGS.get(fault.error), subject)
    success = dialect.success_at(endpoint)
    body, status = _error_body(success, fault), fault.status if success is None else 200
    headers = _challenge(fault) if success is None else {}
    if form is not None:
        body = put(body if success else {}, form.field, form.value(subject)) if form.field else body
        status = form.status or status
    if wait is not None and form is not None and form.wait:
        # May be inside what the form requires to be present.
        put(body, form.wait, int(wait))
    elif wait is not None:
        headers[(form and form.wait_header) or "Retry-After"] = str(int(wait))
    return document(body, status, headers)


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Set `value` at a dotted path. Objects and, for whole numbers, lists are created where there are none."""
    names = path.split(".")
    parent: Any = document
    for name, next_name in pairwise(names):
        child, empty = _at(parent, name), _empty(next_name)
        parent = child if type(child) is type(empty) else _set(parent, name, empty)
    _set(parent, names[-1], value)
    return document


def _empty(name: str) -> list[Any] | dict[str, Any]:
    """What can have something at that name."""
    return [] if name.isdecimal() else {}


def _at(parent: Any, name: str) -> object:
    """What is there; None if nothing is."""
    if isinstance(parent, dict):
        return cast("dict[str, object]", parent).get(name)
    return parent[int(name)] if int(name) < len(parent) else None


def _set(parent: Any, name: str, value: Any) -> Any:
    """Returns the value. A list is filled up with nulls."""
    if isinstance(parent, list):
        cast("list[object]", parent).extend([None] * (int(name) + 1 - len(cast("list[object]", parent))))
        parent[int(name)] = value
    else:
        parent[name] = value
    return value


def account_value(account: str) -> str | int:
    """The account's id as JSON: a number if it looks like one, because many providers number their users."""
    return int(account) if account.isascii() and account.isdecimal() and str(int(account)) == account else account


def _error_body(success: Success | None, fault: OAuthError) -> dict[str, Any]:
    if success is None:
        return dict(fault.document)
    failed = put({}, success.field, _failure_mark(success, fault))
    return failed if "error" in failed else {**failed, "error": f"Invalid Params: {fault.description}"}


def marked(document: dict[str, Any], success: Success | None) -> dict[str, Any]:
    """The document with the member that shows a success."""
    return document if success is None or success.absent else put(document, success.field, success.equals)


def _failure_mark(success: Success, fault: OAuthError) -> object:
    """A value of the same type other than success. Withings uses 503 for a bad code and 401 for a bad client."""
    if isinstance(success.equals, bool):
        return not success.equals
    number = 401 if fault.error == "invalid_client" else 503
    return number if isinstance(success.equals, int) else str(number)


def _challenge(fault: OAuthError) -> dict[str, str]:
    return {"WWW-Authenticate": fault.challenge} if fault.challenge else {}
