"""Describes what is wrong with a catalogue entry."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

import msgspec

from providers.entry.provider import Provider
from wire.tables import UNKNOWN, Problem, Table, keys


def described(problem: Problem) -> str:
    """A line such as `token.auth: must be one of …`."""
    key = ".".join(str(part) for part in problem.path)
    if problem.message == UNKNOWN:
        return f"{key}: is not a key of this format: {_suggestion(problem.path)}"
    return f"{key}: {problem.message}"


def _suggestion(location: tuple[int | str, ...]) -> str:
    """What to write instead of the unknown key at `location` in an entry."""
    known = dict(tables(Provider))
    # It is read before the rest, so the class doesn't have it.
    known[()].append("variables")
    path = tuple(part for part in location[:-1] if isinstance(part, str))
    name, own = str(location[-1]), known.get(path, [])
    if nearest := get_close_matches(name.lower(), own, n=1):
        return f"did you mean {nearest[0]}?"
    elsewhere = [table for table, keys in known.items() if name in keys]
    if elsewhere:
        return f"it belongs {' or '.join(_written(table) for table in elsewhere)}"
    return f"the keys here are {', '.join(own)}"


def _written(table: tuple[str, ...]) -> str:
    return f"in [{'.'.join(table)}]" if table else "at the top of the file, above all tables"


def tables(kind: type[Table], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The keys of each table of the format, by the table's path."""
    yield path, keys(kind)
    for field in msgspec.structs.fields(kind):
        for inner in _kinds(field.type):
            yield from tables(inner, (*path, field.name))


def _kinds(annotation: Any) -> Iterator[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)
