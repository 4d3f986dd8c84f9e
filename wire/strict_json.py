"""Reads untrusted JSON (RFC 8259) strictly, in one of two ways.

`read` is for requests, whose sender can correct them: the text has exactly one meaning, or is refused. Python's own
parser keeps the last of two equal keys, accepts NaN, and accepts NUL and lone surrogates, which databases can't store.
Parsers that disagree about a body are an attack surface.

`read_answer` is for answers, whose sender can't correct them and of which only a few members are used: what `read`
would refuse affects only the member that contains it. `member_at` refuses such a member; code that takes a member in
another way validates it, and no `Malformed` is valid.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from typing import Any, Final, NoReturn, cast

import msgspec

DEEPEST: Final = 400
"""Levels of nested arrays and objects. Python versions differ in how many they can parse."""

_LONGEST_INT: Final = 4000
"""Digits of an integer. Python's own default limit is slightly higher."""

# A bracket, or a string, which may contain brackets. A string without an end extends to the end of the text, so that
# nothing is matched twice.
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)

_WHITE_SPACE: Final = " \t\n\r"

_SURROGATE = re.compile("[\ud800-\udfff]")


class MalformedJSON(ValueError):
    """The bytes are not strict JSON. The message says what is wrong and never quotes the input."""


class Malformed(msgspec.Struct, frozen=True):
    """Takes the place of a value in an answer that does not have exactly one meaning. `problem` never quotes the
    input."""

    problem: str


class UnfitError(Exception):
    """Something in an answer is not as it must be. The text is fixed and never quotes the answer."""


class DuplicateError(UnfitError):
    """A member occurs twice, so that readers may disagree about its value."""


def read(data: bytes) -> object:
    """Read one UTF-8 JSON value.

    Raises MalformedJSON for anything but one value: wrong encoding, a byte order mark, duplicate keys, NaN,
    infinite or overlong numbers, NUL characters, lone surrogates, nesting too deep for the reader.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedJSON("is not UTF-8") from None
    value = _decoded(_decoder, data, text)
    if b"\\u" in data:
        # Only an escape can produce them: raw NUL bytes and raw surrogates are refused above.
        _refuse_unstorable(value)
    return value


def read_answer(data: bytes) -> object:
    """Read one JSON value, in which a malformed member does not affect the others.

    The value of a duplicate key, and a number that is out of range or not a number, is a `Malformed`. Strings may hold
    anything that the sender put into them: control characters, lone surrogates, and bytes that are not UTF-8 as lone
    surrogates. A byte order mark in front is skipped (RFC 8259 8.1).

    Raises MalformedJSON for anything but one value, and for nesting that is too deep, wherever it is.
    """
    text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    try:
        return _decoded(_answer_decoder, data, text)
    except MalformedJSON:
        # Python refuses to parse overlong integers. Checking each one here would take longer than parsing most answers.
        return _decoded(_patient_decoder, data, text)


def read_object(content: bytes) -> dict[str, object]:
    """The JSON object in `content`. Its members are checked when they are read with `member_at`. Raises UnfitError."""
    try:
        value = read_answer(content)
    except MalformedJSON as malformed:
        problem = f"the body {malformed}"
    else:
        if isinstance(value, dict):
            return cast("dict[str, object]", value)
        problem = "the body is not a JSON object"
    # Raised out here, it doesn't refer to the reader's error, which holds the body.
    raise UnfitError(problem)


def member_at(whole: dict[str, object], path: str) -> object:
    """The value at a dotted path, in which a whole number is an index into a list, from 0; None if it is null or
    absent. Raises UnfitError if a step is neither an object nor a list, is duplicated or is malformed."""
    value: object = whole
    for name in path.split("."):
        if isinstance(value, list) and name.isdecimal():
            items = cast("list[object]", value)
            value = items[int(name)] if int(name) < len(items) else None
        elif isinstance(value, dict):
            value = _member(cast("dict[str, object]", value), name)
        elif value is None:
            return None
        else:
            raise UnfitError("a step in the path to a member is not an object")
    return value


def _member(whole: dict[str, object], name: str) -> object:
    """None if it is null or absent. Raises UnfitError if it is duplicated or malformed."""
    value = whole.get(name)
    if value is DUPLICATE:
        raise DuplicateError("a member has a duplicate key")
    if isinstance(value, Malformed):
        problem = f"a member {value.problem}"
        raise UnfitError(problem)
    return value


def object_or_none(value: object) -> dict[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def list_or_none(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def _decoded(decoder: json.JSONDecoder, data: bytes, text: str) -> object:
    if len(data) > DEEPEST and data.count(b"[") + data.count(b"{") > DEEPEST and _depth(data) > DEEPEST:
        raise MalformedJSON("is nested too deeply")
    whole = text.strip(_WHITE_SPACE)
    try:
        value, end = decoder.raw_decode(whole)
    except MalformedJSON:
        raise
    except RecursionError:
        raise MalformedJSON("is nested too deeply") from None
    except ValueError:
        raise MalformedJSON("is not valid JSON") from None
    if end != len(whole):
        raise MalformedJSON("is not valid JSON")
    return value


def _depth(data: bytes) -> int:
    """How deeply the text is nested, provided that it is JSON."""
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


DUPLICATE: Final = Malformed("has a duplicate key")
"""Takes the place of the value of a duplicate key in an answer."""

_NO_NUMBER: Final = Malformed("has a number out of range")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise MalformedJSON("has a duplicate key")
    return value


def _object_of_an_answer(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        times = Counter(key for key, _ in pairs)
        value.update((key, DUPLICATE) for key, count in times.items() if count > 1)
    return value


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise MalformedJSON("has a number out of range")
    return number


def _constant(_name: str) -> NoReturn:
    raise MalformedJSON("is not valid JSON")


def _float_of_an_answer(digits: str) -> float | Malformed:
    number = float(digits)
    return _NO_NUMBER if math.isinf(number) else number


def _int_of_an_answer(digits: str) -> int | Malformed:
    return int(digits) if len(digits) <= _LONGEST_INT else _NO_NUMBER


def _no_number(_name: str) -> Malformed:
    return _NO_NUMBER


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
    if _SURROGATE.search(text):
        raise MalformedJSON("has a lone surrogate")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
_answer_decoder = json.JSONDecoder(
    object_pairs_hook=_object_of_an_answer, parse_float=_float_of_an_answer, parse_constant=_no_number, strict=False
)
_patient_decoder = json.JSONDecoder(
    object_pairs_hook=_object_of_an_answer,
    parse_float=_float_of_an_answer,
    parse_int=_int_of_an_answer,
    parse_constant=_no_number,
    strict=False,
)
