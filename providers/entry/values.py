"""How the values of a catalogue entry are read. Each function raises Invalid, with what the value must be."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, cast, get_args, get_origin

from providers.entry.nearest import nearest_name
from providers.entry.reader import Reader, Schema, accepts, mistyped, schema_of
from wire.tables import Invalid, Problems, Read, Table, attempt

NO_PARAMS: Final[Mapping[str, str]] = MappingProxyType({})


class EntryTable(Table, frozen=True, kw_only=True):
    """A table of an entry. It can't be changed. One with cached properties needs `dict=True`, where they are kept."""

    @classmethod
    def reader_of(cls, annotation: Any) -> Read | None:
        if get_origin(annotation) is Literal:
            return one_of(get_args(annotation))
        return {str: read_text, bool: _read_bool}[annotation]


@accepts({"type": "string"})
def read_text(value: object, _context: object) -> str:
    if not isinstance(value, str):
        raise mistyped("a string", value)
    return value


@accepts({"type": "boolean"})
def _read_bool(value: object, _context: object) -> bool:
    if not isinstance(value, bool):
        raise mistyped("true or false", value)
    return value


@accepts({"type": ["string", "integer", "boolean"]})
def read_scalar(value: object, _context: object) -> str | int | bool:
    if isinstance(value, str | int):
        return value
    raise mistyped("a string, a whole number or a boolean", value)


def one_of(choices: tuple[str, ...]) -> Reader[object]:
    *others, last = [repr(choice) for choice in choices]
    expected = f"one of {', '.join(others)} or {last}"

    @accepts({"enum": list(choices)})
    def read(value: object, _context: object) -> object:
        if value not in choices:
            raise (
                Invalid(f"must be {expected}{_nearest(value, choices)}")
                if isinstance(value, str)
                else mistyped(expected, value)
            )
        return value

    return read


def _nearest(value: str, choices: tuple[str, ...]) -> str:
    nearest = nearest_name(value, choices)
    return "" if nearest is None else f": did you mean {nearest!r}?"


def whole_number(least: int, most: int) -> Reader[int]:
    @accepts({"type": "integer", "minimum": least, "maximum": most})
    def read(value: object, _context: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise mistyped("a whole number", value)
        if value < least:
            raise Invalid(f"must be at least {least}")
        if value > most:
            raise Invalid(f"must be at most {most}")
        return value

    return read


def text(most: float = math.inf) -> Reader[str]:
    """A text of 1 to `most` characters."""

    @accepts({"type": "string", "minLength": 1, **_at_most(most)})
    def read(value: object, _context: object) -> str:
        found = read_text(value)
        if not found:
            raise Invalid("must not be empty")
        if len(found) > most:
            raise Invalid(f"must have {most} characters at most")
        return found

    return read


def _at_most(most: float) -> Schema:
    return {} if most == math.inf else {"maxLength": most}


def form(pattern: str, what: str, most: float = math.inf) -> Reader[str]:
    """A text of this form, which is `what`, and of at most so many characters. The pattern means the same in Python and
    in JavaScript (ECMA-262), whose patterns JSON Schema uses."""
    whole = re.compile(pattern)

    @accepts({"type": "string", "pattern": f"^(?:{pattern})$", **_at_most(most)})
    def read(value: object, _context: object) -> str:
        found = read_text(value)
        if len(found) > most:
            raise Invalid(f"must have {most} characters at most")
        if not whole.fullmatch(found):
            raise Invalid(f"must be {what}")
        return found

    return read


def list_of(item: Read) -> Reader[tuple[Any, ...]]:
    """A list, which becomes a tuple."""

    @accepts({"type": "array", "items": schema_of(item)}, item)
    def read(value: object, context: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise mistyped("a list", value)
        return tuple(read_parts(dict(enumerate(cast("list[object]", value))), item, context).values())

    return read


@accepts({"type": "object", "additionalProperties": {"type": "string"}}, read_text)
def read_texts(value: object, context: object) -> Mapping[str, str]:
    """A table of texts, which can't be changed."""
    if not isinstance(value, dict):
        raise mistyped("a table", value)
    return MappingProxyType(read_parts(cast("dict[str, object]", value), read_text, context))


# Editors see a date of TOML as a string.
@accepts({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
def read_date(value: object, _context: object) -> dt.date:
    # A datetime is a date, too.
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise mistyped("a date, such as 2026-12-31, without quotes", value)
    return value


def table_of(item: Read, key: Read) -> Reader[Mapping[str, Any]]:
    """A table of values that are all of one kind, whose keys are not part of the format. It can't be changed."""

    @accepts(
        {"type": "object", "additionalProperties": schema_of(item), "propertyNames": schema_of(key)},
        item,
    )
    def read(value: object, context: object) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise mistyped("a table", value)
        table = cast("dict[str, object]", value)
        read_parts({name: name for name in table}, key, context)
        return MappingProxyType(read_parts(table, item, context))

    return read


def params_without(*ours: str, read: Reader[Mapping[str, str]] = read_texts) -> Reader[Mapping[str, str]]:
    """Extra parameters, which are sent as they are: none of `ours`, which Tendon fills in."""
    read_params = read

    @accepts({**read.schema, "propertyNames": {"not": {"enum": list(ours)}}}, read_text)
    def read_checked(value: object, context: object) -> Mapping[str, str]:
        params = read_params(value, context)
        for name in ours:
            if name in params:
                raise Invalid(f"must not have {name}, which is filled in")
        return params

    return read_checked


def read_parts(parts: Mapping[Any, object], read: Read, context: object) -> dict[Any, Any]:
    """All parts of a value, by key or position. Raises Problems."""
    found: dict[Any, Any] = {}
    problems = [problem for key, part in parts.items() for problem in attempt(found, key, read, part, context)]
    if problems:
        raise Problems(problems)
    return found


# White space and control characters are named, as languages differ in which of them are `\s`.
_NAME: Final = r"[^.\s\x00-\x1f\x7f-\x9f\ufeff]+"
DottedPath = Annotated[str, form(rf"{_NAME}(?:\.{_NAME})*", "names separated by dots, such as user.id")]
