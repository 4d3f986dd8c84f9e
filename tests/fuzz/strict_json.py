"""Strict JSON beside Python's parser: what is accepted has the same value, and nothing else is refused than what the
docstrings of `wire/strict_json.py` name."""

from __future__ import annotations

import codecs
import json
import math
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from wire.strict_json import DEEPEST, DUPLICATE, Malformed, MalformedJSON, read, read_answer

INSTRUMENTED: Final = ["wire", "json"]
WORDS: Final = [b'{"a":1,"a":2}', b"\\u0000", b"\\ud800", b"\\ude00", b"NaN", b"-Infinity", b"1e999", b"\xef\xbb\xbf"]
# Between this and Python's own limit, whether an integer is read depends on the others in the text.
_SURELY_READ: Final = 4000


class _Refused(Exception):
    """The reference does not accept the text."""


@dataclass(frozen=True)
class _Members:
    pairs: list[tuple[str, Any]]


@dataclass(frozen=True)
class _Digits:
    """A number as it is written, or a name that stands for none."""

    text: str


def check(data: bytes) -> None:
    for ours, reference in ((read, _read), (read_answer, _read_answer)):
        try:
            wanted = repr(reference(data))
        except _Refused:
            wanted = None
        try:
            found = repr(ours(data))
        except MalformedJSON:
            found = None
        # Their representations distinguish 1 from 1.0 and True, and the order of members.
        assert found == wanted


def _read(data: bytes) -> Any:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise _Refused from None
    return _strict(_tree(text, strict=True))


def _read_answer(data: bytes) -> Any:
    text = data.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape")
    return _lenient(_tree(text, strict=False))


def _tree(text: str, *, strict: bool) -> Any:
    """By Python's parser, with all members of each object, and numbers as they are written."""
    hooks: dict[str, Any] = {"parse_float": _Digits, "parse_int": _Digits, "parse_constant": _Digits}
    try:
        tree = json.loads(text, object_pairs_hook=_Members, strict=strict, **hooks)
    except (ValueError, RecursionError):
        raise _Refused from None
    level, depth = [tree], 0
    while level := [inner for value in level for inner in _content(value)]:
        depth += 1
        if depth > DEEPEST:
            raise _Refused
    return tree


def _content(value: Any) -> list[Any]:
    """What an array or object contains, and something for one that is empty."""
    match value:
        case _Members(pairs):
            return [inner for _, inner in pairs] or [None]
        case list():
            return value or [None]
        case _:
            return []


def _strict(value: Any) -> Any:
    match value:
        case _Members(pairs):
            members = {_strict(key): _strict(inner) for key, inner in pairs}
            if len(members) != len(pairs):
                raise _Refused
            return members
        case list():
            return [_strict(inner) for inner in value]
        case _Digits():
            number = _number(value, sys.get_int_max_str_digits())
            if isinstance(number, Malformed):
                raise _Refused
            return number
        case str() if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise _Refused
        case _:
            return value


def _lenient(value: Any) -> Any:
    match value:
        case _Members(pairs):
            times = Counter(key for key, _ in pairs)
            return {key: DUPLICATE if times[key] > 1 else _lenient(inner) for key, inner in pairs}
        case list():
            return [_lenient(inner) for inner in value]
        case _Digits():
            return _number(value, _SURELY_READ)
        case _:
            return value


def _number(digits: _Digits, longest: int) -> Any:
    if digits.text.lstrip("-").isdecimal():
        return int(digits.text) if len(digits.text) <= longest else Malformed("has a number out of range")
    number = float(digits.text)
    return number if math.isfinite(number) else Malformed("has a number out of range")
