"""How the values of a catalogue entry are read. Each function raises Invalid, with what the value must be."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, cast, get_args, get_origin

from wire.tables import Invalid, Problems, Read, Table, attempt

NO_PARAMS: Final[Mapping[str, str]] = MappingProxyType({})


class EntryTable(Table, frozen=True, kw_only=True):
    """A table of an entry. It can't be changed. One with cached properties needs `dict=True`, where they are kept."""

    @classmethod
    def reader_of(cls, annotation: Any) -> Read | None:
        if get_origin(annotation) is Literal:
            return one_of(get_args(annotation))
        return {str: read_text, bool: _read_bool}[annotation]


def read_text(value: object, _context: object = None) -> str:
    if not isinstance(value, str):
        raise Invalid("must be a string")
    return value


def _read_bool(value: object, _context: object) -> bool:
    if not isinstance(value, bool):
        raise Invalid("must be true or false")
    return value


def read_scalar(value: object, _context: object = None) -> str | int | bool:
    if isinstance(value, str | int):
        return value
    raise Invalid("must be a string, a whole number or a boolean")


def one_of(choices: tuple[str, ...]) -> Read:
    *others, last = [repr(choice) for choice in choices]
    message = f"must be one of {', '.join(others)} or {last}"

    def read(value: object, _context: object) -> object:
        if value not in choices:
            raise Invalid(message)
        return value

    return read


def whole_number(least: int, most: int) -> Read:
    def read(value: object, _context: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Invalid("must be a whole number")
        if value < least:
            raise Invalid(f"must be at least {least}")
        if value > most:
            raise Invalid(f"must be at most {most}")
        return value

    return read


def text(most: float = math.inf) -> Read:
    """A text of 1 to `most` characters."""

    def read(value: object, _context: object) -> str:
        found = read_text(value)
        if not found:
            raise Invalid("must not be empty")
        if len(found) > most:
            raise Invalid(f"must have {most} characters at most")
        return found

    return read


def form(pattern: str, what: str, most: float = math.inf) -> Read:
    """A text of this form, which is `what`, and of at most so many characters."""
    whole = re.compile(pattern)

    def read(value: object, _context: object) -> str:
        found = read_text(value)
        if len(found) > most:
            raise Invalid(f"must have {most} characters at most")
        if not whole.fullmatch(found):
            raise Invalid(f"must be {what}")
        return found

    return read


def list_of(item: Read) -> Read:
    """A list, which becomes a tuple."""

    def read(value: object, context: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Invalid("must be a list")
        return tuple(read_parts(dict(enumerate(cast("list[object]", value))), item, context).values())

    return read


def read_texts(value: object, context: object) -> Mapping[str, str]:
    """A table of texts, which can't be changed."""
    if not isinstance(value, dict):
        raise Invalid("must be a table")
    return MappingProxyType(read_parts(cast("dict[str, object]", value), read_text, context))


def read_date(value: object, _context: object) -> dt.date:
    # A datetime is a date, too.
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise Invalid("must be a date, such as 2026-12-31, without quotes")
    return value


def table_of(item: Read, key: Read) -> Read:
    """A table of values that are all of one kind, whose keys are not part of the format. It can't be changed."""

    def read(value: object, context: object) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise Invalid("must be a table")
        table = cast("dict[str, object]", value)
        read_parts({name: name for name in table}, key, context)
        return MappingProxyType(read_parts(table, item, context))

    return read


def params_without(*ours: str, read: Callable[[object, Any], Mapping[str, str]] = read_texts) -> Read:
    """Extra parameters, which are sent as they are: none of `ours`, which Tendon fills in."""
    read_params = read

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


DottedPath = Annotated[str, form(r"[^.\s]+(\.[^.\s]+)*", "names separated by dots, such as user.id")]
