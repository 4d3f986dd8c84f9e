"""The format as a JSON Schema (draft 2020-12), for editors: made from the tables of the format and their readers.

It accepts every valid entry. What depends on other values, such as a key that needs another one, is checked by
`tendon providers check` only.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from providers.entry.about import read_variables
from providers.entry.provider import Provider
from providers.entry.reader import kind_of, schema_of
from wire.tables import Read, Table, defaults, readers

DESCRIPTIONS: Final = Path(__file__).with_name("descriptions.toml")
"""A sentence for each key of each table, by the name of the table's class."""

VARIABLES: Final = "variables"
"""This table is read before the others, as they use its values, so the class doesn't have it."""


def entry_schema() -> dict[str, Any]:
    """The schema of a catalogue file."""
    kinds = {kind.__name__: kind for kind in kinds_in(Provider)}
    tables = {name: _table_schema(kind) for name, kind in kinds.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An entry of Tendon's catalogue",
        **tables.pop(Provider.__name__),
        "$defs": dict(sorted(tables.items())),
    }


def readers_of(kind: type[Table]) -> dict[str, Read]:
    """The function that reads the value of each key of a table, in the order of the format."""
    return readers(kind) | ({VARIABLES: read_variables} if kind is Provider else {})


def kinds_in(kind: type[Table]) -> Iterator[type[Table]]:
    """The kind itself, and the kinds of all tables in such a table. One that occurs twice is there twice."""
    yield kind
    for read in readers_of(kind).values():
        inner = kind_of(part_of(read))
        if inner is not None:
            yield from kinds_in(inner)


def part_of(read: Read) -> Read:
    """The function that reads the items of a list, or of a table without fixed keys, and else the function itself."""
    part: Read | None = getattr(read, "part", None)
    return read if part is None else part


@cache
def _descriptions() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(DESCRIPTIONS.read_text("utf-8"))


def _table_schema(kind: type[Table]) -> dict[str, Any]:
    known, described = defaults(kind), _descriptions().get(kind.__name__, {})
    by_key = readers_of(kind)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name in by_key if name not in known and name != VARIABLES],
        "properties": {
            name: {"description": described.get(name, ""), **schema_of(read), **_default(known.get(name))}
            for name, read in by_key.items()
        },
    }


def _default(value: object) -> dict[str, Any]:
    """Nothing for a key whose default is that it is absent."""
    return {"default": value} if isinstance(value, str | int) else {}
