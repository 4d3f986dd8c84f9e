"""Tendon's goals, compared with what was measured. A missed goal fails nothing; `regression.py` does that."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.contenders import ENGINES, Entry
from benchmarks.results import Results
from benchmarks.workload import GRAPHQL, REST

_OURS: Final = Entry("callback", "tendon", REST)
_FLOOR: Final = Entry("callback", "floor", REST)

Measured = Callable[[Results, str], float | None]
"""The figure on an engine. None if the run did not measure it."""


@dataclass(frozen=True)
class Goal:
    """`at_most` may differ between engines. It is None for a figure that is only there to compare others with."""

    name: str
    at_most: float | Mapping[str, float] | None
    measured: Measured

    def on(self, engine: str) -> float | None:
        return self.at_most[engine] if isinstance(self.at_most, Mapping) else self.at_most


def _by_engine(*, sqlite: float, postgres: float) -> Mapping[str, float]:
    return dict(zip(ENGINES, (sqlite, postgres), strict=True))


def _times(contender: str, interface: str = REST) -> Measured:
    """A REST callback of Tendon, as a multiple of that of another contender."""
    return _ratio(_OURS, Entry("callback", contender, interface))


def _list(interface: str, contender: str) -> Measured:
    return _ratio(Entry("list", "tendon", interface), Entry("list", contender, interface))


def _ratio(entry: Entry, other: Entry) -> Measured:
    def measured(results: Results, engine: str) -> float | None:
        ratios = results.ratios(engine, entry, other)
        return statistics.median(ratios) if ratios else None

    return measured


def _tail(entry: Entry, load: str) -> Measured:
    def measured(results: Results, engine: str) -> float | None:
        p50, p99 = (results.values(engine, entry, load, what) for what in ("p50", "p99"))
        return statistics.median(p99[number] / p50[number] for number in p50) if p50 else None

    return measured


def _memory(when: str) -> Measured:
    def measured(results: Results, engine: str) -> float | None:
        footprint = results.footprint(engine, "tendon")
        return footprint and {"idle": footprint.idle, "loaded": footprint.loaded}[when]

    return measured


def _start(results: Results, engine: str) -> float | None:
    footprint = results.footprint(engine, "tendon")
    return footprint and statistics.median(footprint.start_cpu)


GOALS: Final = (
    Goal("the floor, times", _by_engine(sqlite=1.4, postgres=1.9), _times("floor")),
    Goal("Fastify with undici.request, times", _by_engine(sqlite=0.7, postgres=1.15), _times("fastify-undici")),
    Goal("the same with shared COMMITs, times", None, _times("fastify-shared")),
    Goal("Fastify with fetch, times", 0.6, _times("fastify-fetch")),
    Goal("Yoga, times", _by_engine(sqlite=0.3, postgres=0.55), _times("yoga", GRAPHQL)),
    Goal("FastAPI with the same statements, times", _by_engine(sqlite=0.1, postgres=0.08), _times("fastapi-core")),
    Goal("a callback by GraphQL over REST, times", 1.5, _ratio(Entry("callback", "tendon", GRAPHQL), _OURS)),
    Goal("p99 over p50 at half load, times", 2.0, _tail(_OURS, "half")),
    Goal("the same of the floor at that rate, times", None, _tail(_FLOOR, "tendon's half")),
    Goal("a list over the floor's, times", _by_engine(sqlite=2.2, postgres=1.0), _list(REST, "floor")),
    Goal("a list by GraphQL over Apollo's, times", 1.0, _list(GRAPHQL, "apollo")),
    Goal("a list by GraphQL over Yoga's, times", 1.0, _list(GRAPHQL, "yoga")),
    Goal("memory idle, MB", 65, _memory("idle")),
    Goal("memory loaded, MB", 75, _memory("loaded")),
    Goal("start to first 200, CPU seconds", 0.45, _start),
)
"""Those that name only another contender are about a callback by REST."""


def judged(results: Results) -> list[dict[str, Any]]:
    return [
        {"engine": engine, "goal": goal.name, "at_most": goal.on(engine), "measured": round(value, 3)}
        for engine in results.engines()
        for goal in GOALS
        if (value := goal.measured(results, engine)) is not None
    ]


def lines(results: Results) -> Iterator[str]:
    yield f"\n{'goals of Tendon':52} {'at most':>8} {'measured':>9}"
    for one in judged(results):
        goal = one["at_most"]
        verdict = "  missed" if goal is not None and one["measured"] > goal else ""
        yield f"{one['engine'] + ': ' + one['goal']:52} {'' if goal is None else goal:>8} {one['measured']:9}{verdict}"
