"""The token answer (RFC 6749 5.1). The members in use are read strictly: a malformed one is an error, never a guess.

An error (RFC 6749 5.2) is read in `error_answer.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from providers.answer import (
    UnfitError,
    account_at,
    as_object,
    member_at,
    object_or_none,
    read_object,
    reading,
)
from providers.error_answer import matching, read_error, read_failure, registered_code, same, says_error
from providers.expiry import read_expiry
from providers.provider import Provider
from wire.http.response import Response

MAX_TOKEN: Final = 16 * 1024
MAX_SCOPE: Final = 256
MAX_SCOPES: Final = 64 * 1024
"""Characters of all scopes together, each with a separator."""

_VISIBLE: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """`expires_at` is UTC; None means that nothing was said or that the token doesn't expire.

    `scopes` is None when the answer has none: then what was asked for is granted (RFC 6749 5.1). `account` is the
    provider's own id of the user. `sent_at` is when it was asked for, a time of the running loop.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    token_type: str
    expires_at: datetime | None
    scopes: tuple[str, ...] | None
    account: str | None = field(repr=False)
    sent_at: float = field(default=0.0, compare=False)


def read_token_answer(provider: Provider, answer: Response, now: datetime) -> TokenAnswer:
    """Raises ErrorAnswer for an error of the provider, UnreadableResponse for anything else that is not a token answer.

    `now` (aware) is what `expires_in` counts from. The Content-Type is ignored: providers send JSON under many media
    types, and anything but JSON is refused under all of them. Unused members may hold anything.
    """
    rules = provider.token.errors
    if answer.failed:
        raise read_failure(rules, answer)
    with reading(answer):
        whole = read_object(answer.content)
        token = _token_object(provider, answer, whole)
        # The type check of each member also rejects a malformed one.
        return TokenAnswer(
            access_token=_token(token.get("access_token"), "access_token"),
            refresh_token=_optional_token(token.get("refresh_token"), "refresh_token"),
            token_type=_token_type(token.get("token_type")),
            expires_at=read_expiry(provider.token.expires, token, now),
            scopes=_scopes(token.get("scope"), provider.authorize.scope_separator),
            account=account_at(token, provider.token.account) if provider.token.account else None,
            sent_at=answer.sent_at,
        )


def _token_object(provider: Provider, answer: Response, whole: dict[str, object]) -> dict[str, object]:
    """Raises ErrorAnswer when the answer contains an error, when the member that indicates success is missing, and when
    the access token is missing and a rule of the entry matches or the answer names a registered code."""
    rules, success, root = provider.token.errors, provider.token.success, provider.token.root
    if says_error(whole) or (success is not None and not same(member_at(whole, success.field), success.equals)):
        raise read_error(rules, answer, whole)
    token = whole if root is None else member_at(whole, root)
    found = object_or_none(token) or {}
    if found is not whole and says_error(found):
        raise read_error(rules, answer, whole, inner=found)
    if _is_absent(found.get("access_token")):
        named = next((each for each in (found, whole) if registered_code(each)), None)
        if named is not None or matching(rules, answer, whole) is not None:
            raise read_error(rules, answer, whole, inner=named)
    return as_object(token, "the token object is missing")


def _is_absent(value: object) -> bool:
    """An empty string counts as null."""
    return value is None or value == ""


def _token(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TOKEN or not _VISIBLE.fullmatch(value):
        problem = f"{name} is missing, too long or not of visible ASCII characters"
        raise UnfitError(problem)
    return value


def _optional_token(value: object, name: str) -> str | None:
    return None if _is_absent(value) else _token(value, name)


def _token_type(value: object) -> str:
    """RFC 6750, and some providers don't say. There is no other type that we could use."""
    if _is_absent(value) or (isinstance(value, str) and value.lower() == "bearer"):
        return "Bearer"
    raise UnfitError("token_type is not Bearer")


def _scopes(value: object, separator: str) -> tuple[str, ...] | None:
    """A string, split at the provider's separator and at white space, or a list of strings. An empty one counts as
    absent: RFC 6749 3.3 does not allow an empty `scope`."""
    if value is None:
        return None
    if isinstance(value, str):
        parts: list[object] = [*value.replace(separator, " ").split()]
    elif isinstance(value, list):
        parts = cast("list[object]", value)
    else:
        raise UnfitError("scope is neither a string nor a list")
    scopes = tuple(dict.fromkeys(_scope(part) for part in parts))
    if sum(len(scope) + 1 for scope in scopes) > MAX_SCOPES:
        raise UnfitError("scope is too long")
    return scopes or None


def _scope(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_SCOPE or not _VISIBLE.fullmatch(value):
        raise UnfitError("scope has an entry that is not a scope")
    return value
