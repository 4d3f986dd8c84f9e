"""The meaning of a provider's error answer: by its entry's rules, else by RFC 6749 5.2 and the HTTP status."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from providers.entry.error_rule import ErrorRule, Success
from providers.errors import REGISTERED, ErrorAnswer, Meaning
from wire.http.errors import UnreadableResponse
from wire.http.response import ERRORS, Response
from wire.strict_json import UnfitError, list_or_none, member_at, object_or_none, read_object

LONGEST_WAIT: Final = 24 * 60 * 60
"""Upper limit in seconds for the wait that a provider asks for."""

_TOO_MANY_REQUESTS: Final = 429
_TEMPORARY_STATUSES: Final = frozenset({408, 425, *range(500, 600)})
# Without an error code: our credentials were refused, or this is not the token endpoint.
_MISCONFIGURED_STATUSES: Final = frozenset({401, 403, 404, 405, 410, 415})

# The members that may hold the code in an error that is an object.
_CODE_MEMBERS: Final = ("errorType", "code", "error", "type")

_RETRYABLE: Final = frozenset({Meaning.SLOW_DOWN, Meaning.TEMPORARY})
_DECIMAL: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_MAX_DATE: Final = 40


def read_failure(rules: Sequence[ErrorRule], answer: Response) -> ErrorAnswer | UnreadableResponse:
    """The error that an answer is whose status is not 2xx. If its body is unreadable, the status decides alone."""
    if answer.status not in ERRORS:
        return UnreadableResponse("neither a success nor an error", answer.status)
    try:
        whole = read_object(answer.content)
    except UnfitError:
        whole = {}
    return read_error(rules, answer, whole)


def read_error(
    rules: Sequence[ErrorRule], answer: Response, whole: dict[str, object], *, inner: dict[str, object] | None = None
) -> ErrorAnswer:
    """`whole` is the object in the body of an error answer, whatever its status; `inner` is the object in it that has
    the error code, if it is not at the top."""
    error = registered_code(whole if inner is None else inner)
    rule = matching_rule(rules, answer, whole)
    meaning = _by_default(error, answer) if rule is None else Meaning(rule.meaning)
    wait = _wait(rule, answer, whole) if meaning in _RETRYABLE else None
    return ErrorAnswer(error, answer.status, meaning, retry_after=wait, overdue=answer.overdue)


def matching_rule(rules: Sequence[ErrorRule], answer: Response, whole: dict[str, object]) -> ErrorRule | None:
    """The first rule that matches."""
    return next((rule for rule in rules if _fits(rule, answer.status, whole)), None)


def _fits(rule: ErrorRule, status: int, whole: dict[str, object]) -> bool:
    if rule.status not in (None, status):
        return False
    if rule.field is None:
        return True
    value = _found(whole, rule.field)
    if rule.starts_with is not None:
        return isinstance(value, str) and value.startswith(rule.starts_with)
    if rule.equals is not None:
        return any(same(value, expected) for expected in rule.equals)
    return value is not None


def is_success(success: Success | None, whole: dict[str, object]) -> bool:
    """Whether the answer has what a success must have, or lacks what it must lack, if the entry says so."""
    return success is None or same(_found(whole, success.field), success.equals)


def same(value: object, expected: str | int | bool | None) -> bool:
    """Compare as in JSON, where true is not equal to 1, and 1.0 is. What is absent equals None."""
    kind = int if isinstance(value, float) else type(value)
    return kind is type(expected) and value == expected


def _found(whole: dict[str, object], path: str) -> object:
    try:
        return member_at(whole, path)
    except UnfitError:
        return None


def _by_default(error: str | None, answer: Response) -> Meaning:
    """Neither an outage is a decision about the grant, whatever error code comes with it, nor an answer that says when
    to retry."""
    if answer.status == _TOO_MANY_REQUESTS:
        return Meaning.SLOW_DOWN
    if answer.status in _TEMPORARY_STATUSES:
        return Meaning.TEMPORARY
    if error is not None:
        return REGISTERED[error]
    if _retry_after(answer.header("retry-after")) is not None:
        return Meaning.SLOW_DOWN
    return Meaning.MISCONFIGURED if answer.status in _MISCONFIGURED_STATUSES else Meaning.UNCLEAR


def registered_code(whole: dict[str, object]) -> str | None:
    """The code in `error` (RFC 6749 5.2), or in one of the members where vendors put it. None unless it is registered,
    as other codes are never repeated."""
    members = (whole.get("error"), whole.get("errors"), whole.get("error_code"))
    return next((code for value in members for code in _codes(value) if code in REGISTERED), None)


def _codes(value: object) -> Generator[str]:
    """The strings that may be codes: `value` itself, members of an object, or either in the items of a list."""
    items = list_or_none(value)
    for item in [value] if items is None else items:
        named = object_or_none(item)
        values = [item] if named is None else [named.get(name) for name in _CODE_MEMBERS]
        yield from (code for code in values if isinstance(code, str))


def _wait(rule: ErrorRule | None, answer: Response, whole: dict[str, object]) -> int | None:
    """Whole seconds from 1 to LONGEST_WAIT: from the rule's member or header, else from Retry-After (RFC 9110
    10.2.3)."""
    if rule is not None and rule.wait is not None:
        wait = _seconds(_found(whole, rule.wait))
    elif rule is not None and rule.wait_header is not None:
        wait = _seconds(answer.header(rule.wait_header.lower()))
    else:
        wait = None
    if wait is None:
        wait = _retry_after(answer.header("retry-after"))
    return None if wait is None else max(1, min(math.ceil(wait), LONGEST_WAIT))


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        digits = _DECIMAL.fullmatch(value)
        # A number with too many digits becomes infinity.
        return None if digits is None else min(float(digits[0]), LONGEST_WAIT)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return value


def _retry_after(value: str | None) -> float | None:
    """Seconds, also until a date, which may be in the past."""
    seconds = _seconds(value)
    if seconds is not None or value is None or len(value) > _MAX_DATE:
        return seconds
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return (date - datetime.now(UTC)).total_seconds()
