"""Functions that read the values of an entry, each with a JSON Schema of what it accepts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Generic, TypeVar

from wire.tables import Invalid, Read, Table, read_table

T = TypeVar("T")

Schema = Mapping[str, Any]
"""A JSON Schema (draft 2020-12). Tables of the format are references into `$defs`, by the names of their classes."""


class Reader(Generic[T]):
    """Reads a value. `schema` describes all values that it accepts. It may also describe others: what depends on other
    values of the file can't be said there. `part` reads the items of a list, or the values of a table without fixed
    keys."""

    def __init__(self, read: Callable[[object, Any], T], schema: Schema, part: Read | None = None) -> None:
        self._read = read
        self.schema = schema
        self.part = part

    def __call__(self, value: object, context: Any = None) -> T:
        return self._read(value, context)


def accepts(schema: Schema, part: Read | None = None) -> Callable[[Callable[[object, Any], T]], Reader[T]]:
    """Makes a Reader of a function."""
    return lambda read: Reader(read, schema, part)


def schema_of(read: Read) -> Schema:
    """The schema of what a function reads. Raises TypeError for one without."""
    if (kind := kind_of(read)) is not None:
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if not isinstance(read, Reader):
        raise TypeError(f"{read} has no schema")
    return read.schema


def kind_of(read: Read) -> type[Table] | None:
    """The kind of table that a function reads; None for anything else."""
    return read.args[0] if isinstance(read, partial) and read.func is read_table else None


_TYPES: Final[Mapping[type[Any], str]] = {
    bool: "a boolean",
    int: "a whole number",
    float: "a number with a fraction",
    str: "a string",
    dt.datetime: "a date with a time",
    dt.date: "a date",
    dt.time: "a time",
    list: "a list",
    dict: "a table",
}


def mistyped(must: str, value: object) -> Invalid:
    """The value has the wrong TOML type."""
    return Invalid(f"must be {must}, and is {_TYPES.get(type(value), 'something else')}")
