"""On which lines of a TOML document its keys are. tomllib doesn't say."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, cast

from providers.entry.layout import Path


def lines_of(text: str) -> dict[Path, int]:
    """The line of each key and table of a valid document, by path. What is inside of a value has the line on which the
    value begins."""
    found: dict[Path, int] = {}
    rows: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        is_header = statement.lstrip().startswith("[")
        paths = list(_paths(tomllib.loads(statement)))
        if is_header and statement.lstrip().startswith("[["):
            # The last two are the list and its only row.
            table = _in_rows(paths[-2], rows)
            rows[table] = rows.get(table, -1) + 1
            table = (*table, rows[table])
        elif is_header:
            table = _in_rows(paths[-1], rows)
        for path in [table[:end] for end in range(1, len(table) + 1)] if is_header else [(*table, *p) for p in paths]:
            found.setdefault(path, number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Headers and keys with their values, which may extend over several lines, and the number of the first."""
    statement, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        statement, first = (f"{statement}\n{line}", first) if statement else (line, number)
        if _is_complete(statement):
            if tomllib.loads(statement):
                yield first, statement
            statement = ""


def _is_complete(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _paths(value: object) -> Iterator[Path]:
    """Of everything inside of the value."""
    parts: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        parts = iter(cast("dict[str, Any]", value).items())
    elif isinstance(value, list):
        parts = iter(enumerate(cast("list[Any]", value)))
    for key, part in parts:
        yield (key,)
        yield from ((key, *path) for path in _paths(part))


def _in_rows(path: Path, rows: dict[Path, int]) -> Path:
    """The path of a header, with the position of the last row of each list that leads to it."""
    whole: Path = ()
    for position, key in enumerate(path):
        whole = (*whole, key)
        if whole in rows and position + 1 < len(path):
            whole = (*whole, rows[whole])
    return whole
