"""Answers of providers without what is secret or personal in them: their structure and types, with made-up values.

Kept are the names of members, null, numbers that say when something expires or what status an answer has, and what
is part of the protocol: the scopes, the values that the entry compares with, and in errors the words that errors
consist of.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from gateway.authors.made_up import made_up_number, made_up_text
from providers.entry.provider import Provider
from providers.errors import REGISTERED

_KEPT_NUMBERS: Final = re.compile(r".*expir.*|exp|iat|nbf|auth_time|status(_?code)?|code|error(_?code)?", re.IGNORECASE)
# A number with more digits may be anything.
_LONGEST_NUMBER: Final = 13
_EXPIRY: Final = re.compile(r".*expir.*|exp|iat|nbf|auth_time", re.IGNORECASE)
_LONGEST_CODE: Final = 5
# Above it, a float has no fraction.
_LARGEST: Final = 2**52
_ABOUT_ERRORS: Final = re.compile(
    r".*error.*|.*message.*|.*reason.*|.*detail.*|code|title|description|fault.*", re.IGNORECASE
)
# JSON-LD has names such as `@type`; an `@` further on is that of an e-mail address.
_NAME: Final = re.compile(r"[A-Za-z_$@][A-Za-z_.:$-]{0,47}[0-9]?")
_WORD: Final = re.compile(r"[A-Za-z]+")
# Each text can be read in one way only, so that none takes long.
_WORDS_APART: Final = re.compile(r"(?:[A-Za-z]+(?:[^A-Za-z0-9][A-Za-z]+)*)?[^A-Za-z0-9]?")
_PART_OF_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

# The words that error codes and messages consist of.
_SENTENCE: Final = """
a access account active again already an and api app application are argument at attempt auth authentication
authorization authorized bad be bearer been before blocked by can cannot challenge check client code consent
content could count credentials daily deactivated denied description detail disabled does empty error exceeded
exceptions exist expected expired failed failure field flow for forbidden format found from grant granted has have
hash header http id in inactive incorrect internal invalid is issued issuer it later limit long malformed many
match message method minute mismatch missing must name no not null number of on one only or parameter parameters
params parse password please present problem process provided quota rate reason received redirect refresh
registered rejected request requested requests required resource response retry revoked same scope scopes secret
seconds server service should signature size slow some state status string such supported system temporarily than
the this time timeout to token tokens too type unauthorized unavailable unknown unsupported unexpected uri url use
used user valid value verifier verify was with wrong you your
"""
_WORDS: Final = frozenset(_SENTENCE.split())
_PROTOCOL: Final = frozenset({"bearer", "jwt", "at+jwt", "rs256", "rs512", "es256", "hs256", "eddsa", "ps256"})


class Redactor:
    """Replaces the same value by the same made-up one. `entry` says which values are part of the protocol."""

    def __init__(self, entry: Provider | None = None) -> None:
        self._given: dict[str | int, int] = {}
        self._kept = frozenset(() if entry is None else _values(entry)) | REGISTERED.keys()
        separator = "," if entry is None else entry.authorize.scope_separator
        self._one_scope = re.compile(rf"[^\s,{re.escape(separator)}]+")

    def document(self, value: object) -> Any:
        """A JSON document: what json.loads returns."""
        return self._value(value, ())

    def text(self, text: str) -> str:
        return self._text(text, ())

    def _value(self, value: object, path: tuple[str, ...]) -> Any:
        match value:
            case dict():
                members = cast("dict[str, object]", value).items()
                return {self._name(name): self._value(each, (*path, name)) for name, each in members}
            case list():
                return [self._value(each, path) for each in cast("list[object]", value)]
            case str():
                return self._text(value, path)
            case bool():
                return value in self._kept and value
            case int() | float():
                return self._number(value, path[-1] if path else "")
            case _:
                return None

    def _name(self, name: str) -> str:
        """Names are part of the format, unless they are values: in some documents, users are members by their ids."""
        return name if name in self._kept or _NAME.fullmatch(name) else self._made_up(name)

    def _number(self, number: float, name: str) -> float:
        longest = _LONGEST_NUMBER if _EXPIRY.fullmatch(name) else _LONGEST_CODE
        if _KEPT_NUMBERS.fullmatch(name) and abs(number) < 10**longest:
            return number
        if isinstance(number, int):
            return number if number in self._kept else made_up_number(number, self._salt(number))
        return made_up_number(int(number)) + 0.5 if abs(number) < _LARGEST else 0.5

    def _text(self, text: str, path: tuple[str, ...]) -> str:
        if text in self._kept or text.lower() in _PROTOCOL:
            return text
        if (parts := _jwt(text)) is not None:
            header, payload, signature = parts
            return ".".join(
                [_encoded(self.document(header)), _encoded(self.document(payload)), self._made_up(signature)]
            )
        if path and path[-1] in ("scope", "scopes"):
            return self._one_scope.sub(lambda found: self._scope(found[0]), text)
        if any(_ABOUT_ERRORS.fullmatch(name) for name in path):
            return " ".join(part if _is_of_errors(part) else self._made_up(part) for part in text.split(" "))
        if text.isdigit() and path and _EXPIRY.fullmatch(path[-1]) and len(text) <= _LONGEST_NUMBER:
            return text
        return self._made_up(text)

    def _made_up(self, text: str) -> str:
        return made_up_text(text, self._salt(text))

    def _salt(self, value: str | int) -> int:
        """The same for the same value, and another one for each."""
        return self._given.setdefault(value, len(self._given))

    def _scope(self, scope: str) -> str:
        return scope if scope in self._kept else self._made_up(scope)


def _is_of_errors(part: str) -> bool:
    """Whether a part without spaces consists of words of errors and punctuation only."""
    words = [piece.lower() for word in _WORD.findall(part) for piece in _PART_OF_WORD.findall(word)]
    return set(words) <= _WORDS and _WORDS_APART.fullmatch(part) is not None


def _jwt(text: str) -> tuple[dict[str, object], dict[str, object], str] | None:
    """Header, payload and signature (RFC 7519 3.1); None if it is no JWT."""
    header, _, rest = text.partition(".")
    payload, _, signature = rest.partition(".")
    found = [_decoded(part) for part in (header, payload)]
    if "." in signature or not signature or found[0] is None or found[1] is None:
        return None
    return found[0], found[1], signature


def _decoded(part: str) -> dict[str, object] | None:
    try:
        value = json.loads(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _encoded(value: object) -> str:
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode("ascii")


def _values(entry: Provider) -> Iterator[str | int | bool]:
    """What an entry compares answers with, and its scopes."""
    for scope in (*entry.authorize.scopes, *entry.scopes):
        yield from (scope, entry.token.scope_prefix + scope)
    revoke = entry.revoke
    rows = (*entry.token.errors, *(() if revoke is None else revoke.errors))
    yield from (value for row in rows for value in row.equals or ())
    yield from (row.starts_with for row in rows if row.starts_with is not None)
    marks: list[Any] = [entry.token.success, entry.token.extended, getattr(revoke, "success", None)]
    yield from (mark.equals for mark in marks if mark is not None and mark.equals is not None)


def redacted_headers(headers: Mapping[str, str], entry: Provider) -> dict[str, str]:
    """The header fields that say how long to wait."""
    revoke = entry.revoke
    rows = (*entry.token.errors, *(() if revoke is None else revoke.errors))
    waits = {"retry-after", *(row.wait_header.lower() for row in rows if row.wait_header)}
    return {name: value for name, value in headers.items() if name in waits and value.isdigit()}
