"""Reads a token answer (RFC 6749 5.1), and the user's id in it. The members in use are read strictly: a malformed one
is an error, never a guess.

`error_answer.py` reads errors (RFC 6749 5.2).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, cast

import msgspec

from providers.entry.error_rule import Success
from providers.entry.provider import Provider
from providers.entry.token import Token
from providers.error_answer import matching_rule, read_error, read_failure, registered_code, same
from providers.jwt import unverified_payload
from wire.http.errors import UnreadableResponse
from wire.http.response import SUCCESSES, Response
from wire.strict_json import DuplicateError, UnfitError, member_at, object_or_none, read_object

MAX_ACCOUNT: Final = 256
"""Characters of a provider's own user id."""

MAX_TOKEN: Final = 16 * 1024
MAX_SCOPE: Final = 256
MAX_SCOPES: Final = 8 * 1024
"""Characters of all scopes together, each with a separator."""

LONGEST: Final = timedelta(days=36_525)
"""A hundred years. A longer lifetime is a mistake, and dates would overflow."""

# Every whole number up to this has a float of its own; above it, several share one.
_EXACT: Final = 2**53

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_VISIBLE: Final = re.compile(r"[!-~]+")

_ABSENT: Final = (None, "")
"""What counts as null."""

_COMMON_SCOPES: Final = 1024
"""Characters of a string of scopes whose parts are kept for the next answer. Users of an app usually grant the same."""


class TokenAnswer(msgspec.Struct, frozen=True):
    """`expires_at` is UTC, and None if the answer doesn't say or the token doesn't expire.

    `scopes` is None if the answer has none, which means that the requested ones are granted (RFC 6749 5.1). `account`
    is the provider's own id of the user. `sent_at` is when the request was sent, a time of the running loop.
    """

    access_token: str
    refresh_token: str | None
    token_type: str
    expires_at: datetime | None
    scopes: tuple[str, ...] | None
    account: str | None
    sent_at: float = 0.0

    def __repr__(self) -> str:
        return "TokenAnswer()"


class PresentToken(msgspec.Struct, frozen=True):
    """The access token that a refresh may extend, and for how long it was issued; None if that is not known."""

    access_token: str
    lifetime: timedelta | None

    def __repr__(self) -> str:
        return "PresentToken()"


def read_token_answer(
    provider: Provider, answer: Response, now: datetime, present: PresentToken | None = None
) -> TokenAnswer:
    """Raises ErrorAnswer for an error of the provider, UnreadableResponse for anything else that is not a token answer.

    An answer to a refresh has no access token if it extends `present` instead, which may be so only if the entry says
    `extending`. It is then that token for its lifetime from `now`, unless the answer says how long.

    `now` (aware) is the time from which `expires_in` counts. The Content-Type is ignored: providers send JSON under
    many media types, and anything but JSON is refused under all of them. Unused members may hold anything.
    """
    rule = provider.token
    if answer.status not in SUCCESSES:
        raise read_failure(rule.errors, answer)
    try:
        whole = read_object(answer.content)
        token = _token_object(rule, answer, whole)
        extended = present if present is not None and _is_extension(rule, whole, token) else None
        # The type check of each member also rejects a malformed one.
        return TokenAnswer(
            access_token=extended.access_token if extended else _token(token.get("access_token"), "access_token"),
            refresh_token=_optional_token(token.get("refresh_token"), "refresh_token"),
            token_type=_token_type(token.get("token_type")),
            expires_at=_expiry(rule, token, now, extended),
            scopes=_scopes(token.get("scope"), provider.authorize.scope_separator, rule.scope_prefix),
            account=_account(rule, token),
            sent_at=answer.sent_at,
        )
    except UnfitError as unfit:
        raise UnreadableResponse(str(unfit), answer.status) from None


def _token_object(rule: Token, answer: Response, whole: dict[str, object]) -> dict[str, object]:
    """The object that holds the tokens. Raises ErrorAnswer if the answer contains an error, if the member that
    indicates success is missing, and if the access token is missing and a rule of the entry matches or the answer has a
    registered code."""
    rules, success, root = rule.errors, rule.success, rule.root
    if _says_error(whole) or (success is not None and not _is_success(whole, success, rule.extended)):
        raise read_error(rules, answer, whole)
    token = whole if root is None else object_or_none(member_at(whole, root))
    found = token or {}
    if found is not whole and _says_error(found):
        raise read_error(rules, answer, whole, inner=found)
    if found.get("access_token") in _ABSENT:
        if _contradicts(whole, rule.extended):
            raise read_error(rules, answer, whole)
        named = next((each for each in (found, whole) if registered_code(each)), None)
        if named is not None or matching_rule(rules, answer, whole) is not None:
            raise read_error(rules, answer, whole, inner=named)
    if token is None and not _is_extension(rule, whole, found):
        raise UnfitError("the token object is missing")
    return found


def _is_success(whole: dict[str, object], success: Success, extended: Success | None) -> bool:
    """Whether the answer has what a success must have, or lacks what it must lack. The value that `extended` gives for
    the same field says nothing else."""
    value = member_at(whole, success.field)
    if extended is not None and extended.field == success.field and same(value, extended.equals):
        return True
    return same(value, success.equals)


def _is_extension(rule: Token, whole: dict[str, object], token: dict[str, object]) -> bool:
    """Whether a success extends tokens in place of issuing any. `extended` in the entry says how that is to be seen, or
    else `success` does, unless it is about what an answer lacks."""
    mark = rule.extended or rule.success
    if rule.refresh != "extending" or mark is None or mark.absent or token.get("access_token") not in _ABSENT:
        return False
    return same(member_at(whole, mark.field), mark.equals)


def _contradicts(whole: dict[str, object], mark: Success | None) -> bool:
    """Whether the field of the mark has another value than the mark's."""
    if mark is None:
        return False
    value = member_at(whole, mark.field)
    return value is not None and not same(value, mark.equals)


def _says_error(whole: dict[str, object]) -> bool:
    """Whether a success contains an error, which takes precedence over its other members. An empty value, 0 and false
    count as null. Raises UnfitError."""
    if not whole.get("error") and not whole.get("errors"):
        return False
    return bool(member_at(whole, "error")) or bool(member_at(whole, "errors"))


def account_at(whole: dict[str, object], path: str) -> str | None:
    """A provider's own user id, a string or a whole number; None if there is nothing that can be one, as tokens are
    worth more than the id. Raises UnfitError if the id, or a step in the path to it, is duplicated."""
    try:
        value = member_at(whole, path)
    except DuplicateError:
        raise
    except UnfitError:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    return text if 0 < len(text) <= MAX_ACCOUNT and text.isprintable() else None


def _account(rule: Token, token: dict[str, object]) -> str | None:
    """The user id in the answer, or else in the claim of the id_token that the entry names. Raises as `account_at`
    does."""
    found = account_at(token, rule.account) if rule.account else None
    return _claimed(token.get("id_token"), rule.account_claim) if found is None and rule.account_claim else found


def _claimed(id_token: object, claim: str) -> str | None:
    """The user id in a claim; None if there is no such claim, or the id_token can't be read.

    The signature is not verified: the id_token comes from the token endpoint itself, over TLS (OpenID Connect Core
    3.1.3.7, 6), and says no more than any other member of the answer.
    """
    if not isinstance(id_token, str):
        return None
    try:
        return account_at(unverified_payload(id_token, "the id_token"), claim)
    except UnfitError:
        return None


def _token(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TOKEN or not _VISIBLE.fullmatch(value):
        problem = f"{name} is missing, too long or not of visible ASCII characters"
        raise UnfitError(problem)
    return value


def _optional_token(value: object, name: str) -> str | None:
    return None if value in _ABSENT else _token(value, name)


def _token_type(value: object) -> str:
    """Bearer (RFC 6750), also if the provider doesn't say. We can use no other type."""
    if value in _ABSENT or (isinstance(value, str) and value.lower() == "bearer"):
        return "Bearer"
    raise UnfitError("token_type is not Bearer")


def _expiry(rule: Token, token: dict[str, object], now: datetime, extended: PresentToken | None) -> datetime | None:
    """In UTC; None if the answer doesn't say or the token never expires. Raises UnfitError.

    `expires_in` is seconds from `now` (RFC 6749 5.1), `expires_at` seconds since 1970, and `jwt` the claim `exp` of an
    access token that is a JWT (RFC 7519 4.1.4). Fractions of a second are dropped, so that no token is used after it
    expires.
    """
    since = now.astimezone(UTC)
    if extended is not None and token.get(rule.expires) is None:
        # A JWT states its first lifetime only.
        return None if extended.lifetime is None else since + extended.lifetime
    match rule.expires:
        case "expires_in":
            return _moment(token.get("expires_in"), since=since, now=now)
        case "expires_at":
            return _moment(token.get("expires_at"), since=_EPOCH, now=now)
        case "jwt":
            claims = unverified_payload(str(token.get("access_token")), "the access token")
            return _moment(claims.get("exp"), since=_EPOCH, now=now)
        case "never":
            return None


def _moment(seconds: object, *, since: datetime, now: datetime) -> datetime | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise UnfitError("the expiry is not a number")
    seconds = math.floor(seconds)
    if not 0 <= seconds <= (now + LONGEST - since).total_seconds():
        raise UnfitError("the expiry is negative or too far away")
    return since + timedelta(seconds=seconds)


def _scopes(value: object, separator: str, prefix: str) -> tuple[str, ...] | None:
    """A string, split at the provider's separator and at white space, or a list of strings, each without the provider's
    prefix. An empty one counts as absent: RFC 6749 3.3 does not allow an empty `scope`."""
    if value is None:
        return None
    if isinstance(value, str):
        split = _split if len(value) <= _COMMON_SCOPES else _split.__wrapped__
        return split(value, separator, prefix)
    if isinstance(value, list):
        return checked_scopes(cast("list[object]", value), prefix)
    raise UnfitError("scope is neither a string nor a list")


@lru_cache(maxsize=256)
def _split(text: str, separator: str, prefix: str) -> tuple[str, ...] | None:
    return checked_scopes(text.replace(separator, " ").split(), prefix)


def checked_scopes(parts: Sequence[object], prefix: str) -> tuple[str, ...] | None:
    """The scopes of a list, each once and without the prefix; None if it is empty. Raises UnfitError."""
    scopes = tuple(dict.fromkeys(_scope(part, prefix) for part in parts))
    if sum(len(scope) + 1 for scope in scopes) > MAX_SCOPES:
        raise UnfitError("scope is too long")
    return scopes or None


def _scope(value: object, prefix: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_SCOPE or not _VISIBLE.fullmatch(value):
        raise UnfitError("scope has an entry that is not a scope")
    return value.removeprefix(prefix) or value
