"""What differs between an entry and the provider's answers, in sentences that say what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from gateway.authors.shown import leaves
from providers.entry.provider import Provider
from providers.token_answer import TokenAnswer
from wire.strict_json import UnfitError, member_at

_ID: Final = re.compile(r"(?:.*[_a-z])?(?:id|Id|ID|sub|uuid|guid)|sub|username|login|openid", re.IGNORECASE)
_NO_ACCOUNT: Final = frozenset({"client_id", "id_token", "clientid", "device_id", "session_id", "request_id"})
_ACCESS_TOKEN: Final = re.compile(r"(?:.*\.)?(?:access[_-]?)?token", re.IGNORECASE)
_REFRESH_EXPIRY: Final = re.compile(r"refresh.*expir.*|x_refresh.*", re.IGNORECASE)
_SEPARATORS: Final = ",;+|"


def of_unreadable(entry: Provider, document: Any) -> Iterator[str]:
    """For a token answer that Tendon can't read: where the tokens are."""
    found = [path for path, _ in leaves(document) if path.rpartition(".")[2] == "access_token"]
    root = entry.token.root or ""
    for path in found:
        at = path.rpartition(".")[0]
        if at != root:
            yield f"access_token is at {path}: " + (
                f'write root = "{at}" in [token]' if at else "leave out root in [token]"
            )
    named = [path for path, value in leaves(document) if isinstance(value, str) and _ACCESS_TOKEN.fullmatch(path)]
    if named and not found:
        yield f"{' or '.join(named)} may be the access token, but Tendon finds it only if it is called access_token"
    elif isinstance(document, dict) and not found:
        yield "the answer has no access_token: if it is an error, add a row to [[token.errors]], or `success`"


def of_token_answer(entry: Provider, document: Any, answer: TokenAnswer, redirect: Mapping[str, str]) -> Iterator[str]:
    """For the answer to the code. `redirect` has the parameters of the redirect."""
    token = _at(document, entry.token.root)
    yield from _expiry(entry, token, answer)
    yield from _scopes(entry, answer, redirect)
    if entry.token.refresh == "none" and answer.refresh_token is not None:
        yield 'there is a refresh token, although refresh = "none"'
    if entry.token.refresh != "none" and answer.refresh_token is None:
        yield f'there is no refresh token, although refresh = "{entry.token.refresh}": is a scope missing?'
    lives = [path for path, value in leaves(token) if _REFRESH_EXPIRY.search(path) and isinstance(value, int)]
    if lives and entry.token.refresh_expires is None:
        yield f"{lives[0]} says how long refresh tokens live: write it as refresh_expires in [token]"
    if "iss" in redirect and entry.authorize.iss is None:
        yield "the redirect has `iss` (RFC 9207): write its value as iss in [authorize]"


def of_account(entry: Provider, token_document: Any, account_document: Any, account: str | None) -> Iterator[str]:
    """Where the user's id is, or may be."""
    if account is not None:
        return
    token = _at(token_document, entry.token.root)
    if entry.token.account is not None:
        yield f'there is no id at account = "{entry.token.account}" of the token answer'
    if entry.token.account_claim is not None:
        yield f'there is no id in the claim account_claim = "{entry.token.account_claim}"'
    if entry.account is not None:
        yield f'there is no id at field = "{entry.account.field}" of the answer of [account]'
    for where, document in (("the token answer", token), ("the answer of [account]", account_document)):
        if paths := ids_in(document):
            yield f"paths in {where} that look like an id: {', '.join(paths)}"
    if "id_token" in (token if isinstance(token, dict) else {}):
        yield 'there is an id_token: account_claim = "sub" in [token] takes the id from it'


def of_refresh(entry: Provider, before: TokenAnswer, after: TokenAnswer) -> Iterator[str]:
    mode, old, new = entry.token.refresh, before.refresh_token, after.refresh_token
    if mode == "rotating" and new in (None, old):
        yield 'the refresh token stayed the same, although refresh = "rotating": look up whether it is "reusable"'
    if mode in ("reusable", "extending") and new not in (None, old):
        yield f'the refresh token was replaced, although refresh = "{mode}": write "rotating"'
    if mode == "extending" and after.access_token != before.access_token:
        yield 'the refresh returned a new access token, although refresh = "extending"'


def ids_in(document: Any) -> list[str]:
    """The paths of values that may be a user's id."""
    return [
        path
        for path, value in leaves(document)
        if _ID.fullmatch(path.rpartition(".")[2])
        and path.rpartition(".")[2].lower() not in _NO_ACCOUNT
        and isinstance(value, str | int)
        and not isinstance(value, bool)
        and value != ""
    ]


def _expiry(entry: Provider, token: Any, answer: TokenAnswer) -> Iterator[str]:
    expires, members = entry.token.expires, cast("dict[str, Any]", token if isinstance(token, dict) else {})
    if expires in ("expires_in", "expires_at") and members.get(expires) is None:
        other = "expires_at" if expires == "expires_in" else "expires_in"
        hint = f'write expires = "{other}"' if members.get(other) is not None else 'it may be "jwt" or "never"'
        yield f'there is no {expires}, although expires = "{expires}": {hint}'
    if expires == "jwt" and answer.expires_at is None:
        yield 'the access token has no claim `exp`, although expires = "jwt"'
    if expires == "never":
        for name in ("expires_in", "expires_at"):
            if members.get(name):
                yield f'there is {name}, although expires = "never"'


def _scopes(entry: Provider, answer: TokenAnswer, redirect: Mapping[str, str]) -> Iterator[str]:
    granted: Sequence[str] | None = answer.scopes
    if granted is None and redirect.get("scope"):
        granted = redirect["scope"].replace(entry.authorize.scope_separator, " ").split()
    if entry.granted is not None:
        return
    if granted is not None:
        yield from of_scopes(entry, granted)
    elif entry.authorize.scopes:
        yield "neither the redirect nor the token answer has the granted scopes: all that were requested count"


def of_scopes(entry: Provider, granted: Sequence[str]) -> Iterator[str]:
    if joined := next((each for each in granted if any(mark in each for mark in _SEPARATORS)), None):
        marks = " or ".join(repr(mark) for mark in _SEPARATORS if mark in joined)
        yield f"a granted scope contains {marks}: that may be the scope_separator"
    if missing := [each for each in entry.authorize.scopes if each not in granted]:
        yield f"not granted, although requested: {', '.join(missing)}"
    requested = entry.authorize.scopes
    if further := [each for each in granted if requested and each not in requested]:
        yield f"granted, although not requested: {', '.join(further)}"


def _at(document: Any, path: str | None) -> Any:
    if path is None or not isinstance(document, dict):
        return document
    try:
        return member_at(cast("dict[str, object]", document), path)
    except UnfitError:
        return None
