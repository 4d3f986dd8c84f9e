"""The report of `growth.py`: each case relative to the smallest in each round, and the cost per listed connection."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.proc import CORES, OTHERS
from benchmarks.testbed import Cost

FLAT: Final = 1.1

_TITLES: Final = {
    "workers": ("a REST callback, by worker processes", "workers"),
    "rows": ("all operations, by rows in each table that grows", "rows"),
    "lists": ("a list, by its length", "listed"),
}


@dataclass(frozen=True)
class Point:
    """Microseconds of CPU time per request in each round: `cpu` of the server, `engine_cpu` of the database.

    `times` are relative to the smallest case of the operation in the same round.
    """

    engine: str
    part: str
    operation: str
    size: int
    cpu: list[float]
    engine_cpu: list[float]
    times: list[float]
    engine_times: list[float]


def points(engine: str, part: str, found: Mapping[tuple[str, int], list[Cost]]) -> list[Point]:
    """The first size of an operation must be the smallest."""
    smallest: dict[str, list[Cost]] = {}
    return [
        _point(engine, part, operation, size, costs, smallest.setdefault(operation, costs))
        for (operation, size), costs in found.items()
    ]


def _point(engine: str, part: str, operation: str, size: int, costs: list[Cost], base: list[Cost]) -> Point:
    pairs = list(zip(costs, base, strict=True))
    return Point(
        engine,
        part,
        operation,
        size,
        cpu=[cost.cpu for cost in costs],
        engine_cpu=[cost.engine_cpu for cost in costs],
        times=[cost.cpu / other.cpu for cost, other in pairs],
        engine_times=[cost.engine_cpu / other.engine_cpu for cost, other in pairs if other.engine_cpu],
    )


def as_text(made: Iterable[Point]) -> Iterator[str]:
    """The lines of a table for each engine and part."""
    tables: dict[tuple[str, str], list[Point]] = {}
    for point in made:
        tables.setdefault((point.engine, point.part), []).append(point)
    for (engine, part), found in tables.items():
        title, size = _TITLES[part]
        yield f"\n{engine}: {title}"
        yield f"{'operation':12} {size:>9} {'µs':>8} {'times':>6} {'range':>12} {'db µs':>8} {'times':>6}"
        yield from map(_line, sorted(found, key=lambda point: (point.operation, point.size)))
        if part == "lists":
            yield from _fitted(found)
        if part == "workers":
            yield _shared()


def _line(point: Point) -> str:
    times, spread = _times(point.times), f"{min(point.times):.2f}-{max(point.times):.2f}"
    engine = (
        f"{statistics.median(point.engine_cpu):8.0f} {_times(point.engine_times):6.2f}" if point.engine_times else ""
    )
    costs = f"{statistics.median(point.cpu):8.0f} {times:6.2f} {spread:>12} {engine}"
    grown = "  grows" if point.part != "lists" and max(times, _times(point.engine_times)) > FLAT else ""
    return f"{point.operation:12} {point.size:9} {costs}{grown}"


def _times(values: list[float]) -> float:
    return statistics.median(values) if values else 1.0


def _fitted(found: list[Point]) -> Iterator[str]:
    """The straight line through the costs, and how far the costs are from it."""
    costs = {point.size: statistics.median(point.cpu) for point in found}
    start, slope = line(costs)
    off = [f"{cost / (start + slope * size) - 1:+.1%} at {size}" for size, cost in costs.items()]
    yield f"{start:.0f} µs and {slope:.1f} µs for each connection; measured: {', '.join(off)}"


def line(costs: Mapping[int, float]) -> tuple[float, float]:
    """Intercept and slope, by least squares of the relative deviations, so that short and long lists count alike."""
    parts = [(1 / cost, size / cost) for size, cost in costs.items()]
    ones, sizes = sum(one for one, _ in parts), sum(size for _, size in parts)
    squares = sum(one * one for one, _ in parts), sum(size * size for _, size in parts)
    mixed = sum(one * size for one, size in parts)
    whole = squares[0] * squares[1] - mixed * mixed
    return (ones * squares[1] - sizes * mixed) / whole, (sizes * squares[0] - ones * mixed) / whole


def _shared() -> str:
    text = f"On {len(CORES)} cores. Generator, provider and database have {len(OTHERS)} of them"
    return f"{text}, which all workers but the first share with them."
