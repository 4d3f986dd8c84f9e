"""Suggests what an unknown key in a catalogue entry was meant to be."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel


def unknown_key(model: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """What to write instead of the key at `place` in a table that `model` describes."""
    tables = dict(_tables(model))
    # No part of the model: it is read first.
    tables[()].append("variables")
    path = tuple(part for part in place[:-1] if isinstance(part, str))
    name, own = str(place[-1]), tables.get(path, [])
    if nearest := get_close_matches(name.lower(), own, n=1):
        return f"did you mean {nearest[0]}?"
    elsewhere = [table for table, keys in tables.items() if name in keys]
    if elsewhere:
        return f"it belongs {' or '.join(_written(table) for table in elsewhere)}"
    return f"the keys here are {', '.join(own)}"


def _written(table: tuple[str, ...]) -> str:
    return f"in [{'.'.join(table)}]" if table else "at the top of the file, above all tables"


def _tables(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The keys of each table of the format, by the table's path."""
    yield path, list(model.model_fields)
    for name, field in model.model_fields.items():
        for inner in _models(field.annotation):
            yield from _tables(inner, (*path, name))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
