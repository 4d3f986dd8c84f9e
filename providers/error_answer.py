"""The meaning of a provider's error answer: by its entry's rules, else by RFC 6749 5.2 and the HTTP status."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from providers.answer import UnfitError, list_or_none, member, member_at, object_or_none, read_object
from providers.errors import REGISTERED, ErrorAnswer, Meaning
from providers.provider import ErrorRule
from wire.http.response import Response

LONGEST_WAIT: Final = 24 * 60 * 60
"""Upper limit in seconds for the wait that a provider asks for."""

_TOO_MANY_REQUESTS: Final = 429
_PASSING_STATUSES: Final = frozenset({408, 425, *range(500, 600)})
# If no error code says more: our credentials were refused, or this is not the token endpoint.
_OUR_STATUSES: Final = frozenset({401, 403, 404, 405, 410, 415})

# Where the code stands in an error that is an object.
_CODE_MEMBERS: Final = ("errorType", "code", "error", "type")

_WAITED_FOR: Final = frozenset({Meaning.SLOW_DOWN, Meaning.PASSING})
_DECIMAL: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_MAX_DATE: Final = 40


def read_failure(rules: Sequence[ErrorRule], answer: Response) -> ErrorAnswer:
    """An answer of status 4xx or 5xx. An unreadable body is treated as absent."""
    try:
        whole = read_object(answer.content)
    except UnfitError:
        whole = {}
    return read_error(rules, answer, whole)


def read_error(
    rules: Sequence[ErrorRule], answer: Response, whole: dict[str, object], *, inner: dict[str, object] | None = None
) -> ErrorAnswer:
    """`whole` is the object in the body of an error answer, whatever its status; `inner` is the nested object that
    names the error, if that is a different one."""
    error = registered_code(whole if inner is None else inner)
    rule = matching(rules, answer, whole)
    meaning = _by_default(error, answer) if rule is None else Meaning(rule.meaning)
    wait = _wait(rule, answer, whole) if meaning in _WAITED_FOR else None
    return ErrorAnswer(error, answer.status, meaning, retry_after=wait, overdue=answer.overdue)


def matching(rules: Sequence[ErrorRule], answer: Response, whole: dict[str, object]) -> ErrorRule | None:
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


def same(value: object, expected: str | int | bool) -> bool:
    """Compare as in JSON, where true is not equal to 1, and 1.0 is."""
    kind = int if isinstance(value, float) else type(value)
    return kind is type(expected) and value == expected


def _found(whole: dict[str, object], path: str) -> object:
    try:
        return member_at(whole, path)
    except UnfitError:
        return None


def _by_default(error: str | None, answer: Response) -> Meaning:
    """An outage is never a decision, whatever error code comes with it, and neither is an answer that says when to
    retry."""
    if answer.status == _TOO_MANY_REQUESTS:
        return Meaning.SLOW_DOWN
    if answer.status in _PASSING_STATUSES:
        return Meaning.PASSING
    if error is not None:
        return REGISTERED[error]
    if _retry_after(answer.header("retry-after")) is not None:
        return Meaning.SLOW_DOWN
    return Meaning.MISCONFIGURED if answer.status in _OUR_STATUSES else Meaning.UNCLEAR


def registered_code(whole: dict[str, object]) -> str | None:
    """`error` as in RFC 6749 5.2, or one of the places where vendors put the code. Only a registered code, since others
    are never repeated."""
    frames = (whole.get("error"), whole.get("errors"), whole.get("error_code"))
    return next((code for frame in frames for code in _codes(frame) if code in REGISTERED), None)


def _codes(frame: object) -> Generator[str]:
    """The strings that may be codes: `frame` itself, members of an object, or either in the items of a list."""
    items = list_or_none(frame)
    for item in [frame] if items is None else items:
        named = object_or_none(item)
        values = [item] if named is None else [named.get(name) for name in _CODE_MEMBERS]
        yield from (value for value in values if isinstance(value, str))


def says_error(whole: dict[str, object]) -> bool:
    """Whether a success contains an error, which takes precedence over its other members. An empty value, 0 and false
    count as null. Raises UnfitError."""
    return bool(member(whole, "error")) or bool(member(whole, "errors"))


def _wait(rule: ErrorRule | None, answer: Response, whole: dict[str, object]) -> int | None:
    """Whole seconds from 1 to LONGEST_WAIT: from the rule's member or header, else from Retry-After (RFC 9110
    10.2.3)."""
    if rule is not None and rule.wait is not None:
        told = _seconds(_found(whole, rule.wait))
    elif rule is not None and rule.wait_header is not None:
        told = _seconds(answer.header(rule.wait_header.lower()))
    else:
        told = None
    if told is None:
        told = _retry_after(answer.header("retry-after"))
    return None if told is None else max(1, min(math.ceil(told), LONGEST_WAIT))


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        digits = _DECIMAL.fullmatch(value)
        # What is too long for a number is too long to wait for.
        return None if digits is None else min(float(digits[0]), LONGEST_WAIT)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return value


def _retry_after(value: str | None) -> float | None:
    """Seconds, or a date, which may already have passed."""
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
