"""The format as a JSON Schema (draft 2020-12), for editors: made from the tables of the format and their readers.

It accepts every valid entry. What depends on other values, such as a key that needs another one, is checked by
`tendon providers check` only.
"""

from __future__ import annotations

from typing import Any

from providers.entry.descriptions import descriptions_of
from providers.entry.layout import VARIABLES, readers_of, tables
from providers.entry.provider import Provider
from providers.entry.reader import schema_of
from wire.tables import Table, defaults


def entry_schema() -> dict[str, Any]:
    """The schema of a catalogue file."""
    kinds = {kind.__name__: kind for _, kind in tables()}
    schemas = {name: _table_schema(kind) for name, kind in kinds.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An entry of Tendon's catalogue",
        **schemas.pop(Provider.__name__),
        "$defs": dict(sorted(schemas.items())),
    }


def _table_schema(kind: type[Table]) -> dict[str, Any]:
    known, described = defaults(kind), descriptions_of(kind)
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
