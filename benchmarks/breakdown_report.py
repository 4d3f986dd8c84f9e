"""The tables of `breakdown.py`: what one request consists of, or by how much that differs from an earlier run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from benchmarks.callgrind import Function
from benchmarks.installing import ROOT

Row = Iterable[float]
Table = dict[str, list[float]]
"""The figures of a request, by what they are about."""

_COLUMNS: Final = {
    "libraries": ("instructions",),
    "functions of C": ("instructions",),
    "packages": ("calls", "byte codes", "calls of C"),
    "functions of Python": ("calls", "byte codes", "calls of C"),
}
"""The tables, and their columns."""

# Tables are sorted by these.
_WEIGHTS: Final = ("instructions", "byte codes")
# Smaller differences are those of timers, and of which requests share a COMMIT.
_NOISE: Final = 0.05


def of_instructions(found: Mapping[Function, float]) -> dict[str, Table]:
    """`found` are the instructions of one request."""
    libraries, functions = Table(), Table()
    for (library, name), count in found.items():
        file = Path(library).name
        _add(libraries, file, [count])
        _add(functions, f"{file}: {name}", [count])
    return {"libraries": libraries, "functions of C": functions}


def of_calls(found: Iterable[tuple[str, str, Row]], requests: int) -> dict[str, Table]:
    """`found` has the file, the name and the counts of each function, for all requests together."""
    packages, functions = Table(), Table()
    for file, name, counts in found:
        row = [count / requests for count in counts]
        _add(packages, package(file), row)
        _add(functions, f"{short(file)}: {name}", row)
    return {"packages": packages, "functions of Python": functions}


def difference(tables: dict[str, Table], before: dict[str, Table]) -> dict[str, Table]:
    """What has been added since `before`; what is gone is negative."""
    changed: dict[str, Table] = {}
    for title, table in tables.items():
        changes = dict(table)
        for name, row in before.get(title, {}).items():
            changes[name] = [a - b for a, b in zip(changes.get(name, [0.0] * len(row)), row, strict=True)]
        changed[title] = {name: row for name, row in changes.items() if any(abs(value) >= _NOISE for value in row)}
    return changed


def as_text(tables: dict[str, Table], count: int) -> Iterator[str]:
    """The sum of each table, and its `count` largest rows."""
    for title, table in tables.items():
        columns = _COLUMNS[title]
        weight = next(place for place, column in enumerate(columns) if column in _WEIGHTS)
        yield f"\n{title:80} {'  '.join(f'{column:>12}' for column in columns)}"
        yield _line("all", [sum(figures) for figures in zip(*table.values(), strict=True)])
        for name in sorted(table, key=lambda name: -abs(table[name][weight]))[:count]:
            yield _line(name, table[name])


def package(file: str) -> str:
    """Tendon's package, or the library, that a file belongs to."""
    first, slash, _ = short(file).partition("/")
    return first if slash else first.removesuffix(".py")


def short(file: str) -> str:
    """The name of a file within Tendon, or within the folder where libraries are installed."""
    parts = Path(file).parts
    for folder in ("site-packages", f"python{sys.version_info[0]}.{sys.version_info[1]}"):
        if folder in parts:
            return "/".join(parts[parts.index(folder) + 1 :])
    return file.removeprefix(f"{ROOT}/")


def _add(table: Table, name: str, row: list[float]) -> None:
    table[name] = [a + b for a, b in zip(table.get(name, [0.0] * len(row)), row, strict=True)]


def _line(name: str, row: Row) -> str:
    return f"{name[-80:]:80} {'  '.join(f'{figure:12,.1f}' for figure in row)}"
