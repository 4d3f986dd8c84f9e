"""The token answer (RFC 6749 5.1 and 5.2), read strictly: what isn't right is an error, never a guess."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from providers.answer import Answer, UnfitError, as_object, member_at, read_account, read_object, reading
from providers.errors import REGISTERED, ErrorAnswer
from providers.expiry import read_expiry
from providers.provider import Provider, Success

MAX_TOKEN: Final = 16 * 1024
MAX_SCOPE: Final = 256
MAX_SCOPES: Final = 200

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


def read_token_answer(provider: Provider, answer: Answer, now: datetime) -> TokenAnswer:
    """Raises ErrorAnswer when the provider says no, UnreadableAnswer for anything else that is no token answer.

    `now` (aware) is what `expires_in` counts from. The Content-Type decides nothing: providers send JSON under many
    names, and what isn't strict JSON is refused under any.
    """
    if answer.failed:
        raise ErrorAnswer(error_of_failure(answer.content), answer.status)
    with reading(answer):
        whole = read_object(answer.content)
        token = _token_object(provider, whole, answer.status)
        return TokenAnswer(
            access_token=_token(token.get("access_token"), "access_token"),
            refresh_token=_optional_token(token.get("refresh_token"), "refresh_token"),
            token_type=_token_type(token.get("token_type")),
            expires_at=read_expiry(provider.token.expires, token, now),
            scopes=_scopes(token.get("scope"), provider.authorize.scope_separator),
            account=read_account(member_at(token, provider.token.account)) if provider.token.account else None,
            sent_at=answer.sent_at,
        )


def _token_object(provider: Provider, whole: dict[str, object], status: int) -> dict[str, object]:
    _refuse_error(whole, status)
    success, root = provider.token.success, provider.token.root
    if success is not None and not _succeeded(whole, success):
        raise ErrorAnswer(None, status)
    if root is None:
        return whole
    token = as_object(member_at(whole, root), "there is no token object where it should stand")
    _refuse_error(token, status)
    return token


def _succeeded(whole: dict[str, object], success: Success) -> bool:
    value = member_at(whole, success.field)
    # True equals 1 in Python, but not in JSON.
    return type(value) is type(success.equals) and value == success.equals


def _refuse_error(whole: dict[str, object], status: int) -> None:
    """A success with an error in it is an error, whatever else it holds."""
    if whole.get("error") is not None or whole.get("errors"):
        raise ErrorAnswer(_error_code(whole), status)


def error_of_failure(content: bytes) -> str | None:
    """The registered error code in the body of a 4xx or 5xx; None when there is no such."""
    try:
        return _error_code(read_object(content))
    except UnfitError:
        return None


def _error_code(whole: dict[str, object]) -> str | None:
    """`error` as in RFC 6749 5.2, or `errors: [{errorType}]`. Only a registered code: the rest is never repeated."""
    candidates = [whole.get("error")]
    errors = whole.get("errors")
    if isinstance(errors, list):
        each = cast("list[object]", errors)
        candidates += [cast("dict[str, object]", error).get("errorType") for error in each if isinstance(error, dict)]
    return next((code for code in candidates if isinstance(code, str) and code in REGISTERED), None)


def _token(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TOKEN or not _VISIBLE.fullmatch(value):
        problem = f"{name} is missing, too long or not of visible ASCII characters"
        raise UnfitError(problem)
    return value


def _optional_token(value: object, name: str) -> str | None:
    return None if value is None else _token(value, name)


def _token_type(value: object) -> str:
    """RFC 6750, and some providers don't say. There is no other type that we could use."""
    if value is None or (isinstance(value, str) and value.lower() == "bearer"):
        return "Bearer"
    raise UnfitError("token_type is not Bearer")


def _scopes(value: object, separator: str) -> tuple[str, ...] | None:
    """A string, split at the provider's separator and at white space, or a list of strings."""
    if value is None:
        return None
    if isinstance(value, str):
        parts: list[object] = [*value.replace(separator, " ").split()]
    elif isinstance(value, list):
        parts = cast("list[object]", value)
    else:
        raise UnfitError("scope is neither a string nor a list")
    if len(parts) > MAX_SCOPES:
        raise UnfitError("scope has too many entries")
    return tuple(dict.fromkeys(_scope(part) for part in parts))


def _scope(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_SCOPE or not _VISIBLE.fullmatch(value):
        raise UnfitError("scope has an entry that is not a scope")
    return value
