"""Which tables an entry consists of, and which keys each of them has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from providers.entry.about import read_variables
from providers.entry.provider import Provider
from providers.entry.reader import kind_of
from wire.tables import Read, Table, readers

VARIABLES: Final = "variables"
"""This table is read before the others, as they use its values, so the class doesn't have it."""

Path = tuple[str | int, ...]
"""Where a value is in an entry: keys, and positions in lists."""


def readers_of(kind: type[Table]) -> dict[str, Read]:
    """The function that reads the value of each key of a table, in the order of the format."""
    return readers(kind) | ({VARIABLES: read_variables} if kind is Provider else {})


def part_of(read: Read) -> Read | None:
    """The function that reads the items of a list, or of a table without fixed keys; None for any other value."""
    return getattr(read, "part", None)


def tables(kind: type[Table] = Provider, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[Table]]]:
    """All tables of the format with fixed keys, by their paths without positions and ids: `("token", "errors")` are the
    rows of `[[token.errors]]`, and `("sites",)` is each of `[sites.<id>]`."""
    yield path, kind
    for name, read in readers_of(kind).items():
        inner = kind_of(part_of(read) or read)
        if inner is not None:
            yield from tables(inner, (*path, name))


def table_at(path: Path) -> type[Table] | None:
    """The kind of the table at a path of an entry; None if there is none with fixed keys."""
    read: Read | None = None
    kind: type[Table] | None = Provider
    for key in path:
        if kind is not None:
            read = readers_of(kind).get(str(key))
        elif read is not None:
            read = part_of(read)
        kind = None if read is None else kind_of(read)
    return kind


def is_list(path: tuple[str, ...]) -> bool:
    """Whether the table at this path, as `tables` has it, is one of several rows."""
    return _schema_type(path) == "array"


def has_ids(path: tuple[str, ...]) -> bool:
    """Whether the table at this path, as `tables` has it, is one of several with ids of their own."""
    return _schema_type(path) == "object"


def _schema_type(path: tuple[str, ...]) -> str | None:
    kind = table_at(path[:-1]) if path else None
    read = readers_of(kind).get(path[-1]) if kind is not None else None
    return getattr(read, "schema", {}).get("type")
