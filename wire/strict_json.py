"""Strict JSON (RFC 8259): one reading of the bytes or none.

Python's own reader keeps the last of two equal keys, accepts NaN and lets NUL and lone surrogates
through, which no database column takes. Two readers that disagree on a body are an attack surface.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn, cast

DEEPEST: Final = 400
"""Arrays and objects within each other. Interpreters differ in how many they bear."""

# A string, which may hold any of them, or a bracket. A string without an end goes to the end, so that nothing is looked
# at twice.
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


class MalformedJSON(ValueError):
    """The bytes are not strict JSON. The message says what is wrong and never quotes the input."""


def read(data: bytes) -> object:
    """Read one UTF-8 JSON value.

    Raises MalformedJSON for anything but one value: wrong encoding, a byte order mark, duplicate keys, NaN,
    infinite or overlong numbers, NUL characters, lone surrogates, nesting too deep for the reader.
    """
    if data.count(b"[") + data.count(b"{") > DEEPEST and _depth(data) > DEEPEST:
        raise MalformedJSON("is nested too deeply")
    try:
        value = _decoder.decode(data.decode("utf-8"))
    except MalformedJSON:
        raise
    except UnicodeDecodeError:
        raise MalformedJSON("is not UTF-8") from None
    except RecursionError:
        raise MalformedJSON("is nested too deeply") from None
    except ValueError:
        raise MalformedJSON("is not valid JSON") from None
    if b"\\u" in data:
        # Only an escape can bring them in: raw NUL bytes and raw surrogates are refused above.
        _refuse_unstorable(value)
    return value


def _depth(data: bytes) -> int:
    """How deep it goes, where it is JSON at all."""
    depth = deepest = 0
    for token in _BRACKET.finditer(data):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                deepest = max(deepest, depth)
            case b"]" | b"}":
                depth -= 1
            case _:
                pass
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise MalformedJSON("has a duplicate key")
    return value


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise MalformedJSON("has a number out of range")
    return number


def _constant(_name: str) -> NoReturn:
    raise MalformedJSON("is not valid JSON")


def _refuse_unstorable(value: object) -> None:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            _refuse_unstorable_text(value)
        elif isinstance(value, dict):
            members = cast("dict[str, object]", value)
            waiting += [*members.keys(), *members.values()]
        elif isinstance(value, list):
            waiting += cast("list[object]", value)


def _refuse_unstorable_text(text: str) -> None:
    if "\x00" in text:
        raise MalformedJSON("has a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise MalformedJSON("has a lone surrogate")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
