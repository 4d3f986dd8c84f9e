"""Describes what is wrong with a catalogue entry."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from providers.entry.descriptions import descriptions_of
from providers.entry.layout import Path, has_ids, is_list, readers_of, table_at, tables
from providers.entry.nearest import nearest_name
from wire.tables import MISSING, UNKNOWN, Problem

# How similar a key of another table must be so that it is suggested.
_CLOSE: Final = 0.85


def described(problem: Problem, lines: Mapping[Path, int] | None = None) -> str:
    """A line such as `token.auth: must be one of … (line 12)`. `lines` are those of the file, by path. With them, what
    is missing is described, too."""
    key = ".".join(str(part) for part in problem.path)
    why = problem.message
    if why == UNKNOWN:
        why = f"is not a key of this format: {_suggestion(problem.path)}"
    elif lines is not None and why == MISSING and (meaning := _meaning(problem.path)):
        why = f"{MISSING}: {meaning}"
    return f"{key}: {why}{_place(problem, lines or {})}"


def _place(problem: Problem, lines: Mapping[Path, int]) -> str:
    """The row and the line of the key, or of the table that it is missing from."""
    rows = [f"row {part + 1}" for part in problem.path if isinstance(part, int)]
    path = problem.path
    while path and path not in lines:
        path = path[:-1]
    if path in lines and not (problem.message == MISSING and len(path) == len(problem.path)):
        rows.append(f"line {lines[path]}")
    return f" ({', '.join(rows)})" if rows and lines else ""


def _meaning(path: Path) -> str:
    """What the key at `path` is for; empty if it is not one of the format's."""
    kind = table_at(path[:-1])
    return "" if kind is None else descriptions_of(kind).get(str(path[-1]), "")


def _suggestion(path: Path) -> str:
    """What to write instead of the unknown key at `path` in an entry."""
    name, kind = str(path[-1]), table_at(path[:-1])
    own = [] if kind is None else list(readers_of(kind))
    known = [(table, list(readers_of(each))) for table, each in tables()]
    elsewhere = [table for table, keys in known if name in keys]
    nearest = nearest_name(name, own, misspelt=bool(elsewhere))
    if nearest is not None:
        return f"did you mean {nearest}?"
    if elsewhere:
        return f"it belongs {' or '.join(map(_written, elsewhere))}"
    near = [(table, *get_close_matches(name.lower(), keys, n=1, cutoff=_CLOSE)) for table, keys in known]
    if similar := [f"{found[0]} {_written(table)}" for table, *found in near if found]:
        return f"did you mean {' or '.join(similar)}?"
    return f"the keys here are {', '.join(own)}"


def _written(table: tuple[str, ...]) -> str:
    name = ".".join(table)
    if is_list(table):
        return f"in [[{name}]]"
    if has_ids(table):
        return f"in [{name}.<id>]"
    return f"in [{name}]" if table else "at the top of the file, above all tables"
