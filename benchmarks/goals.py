"""Tendon's goals, compared with what was measured. A missed goal fails nothing; `regression.py` does that."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders import Entry
from benchmarks.results import Results
from benchmarks.workload import GRAPHQL, REST

_OURS = Entry("callback", "tendon", REST)
_FLOOR = {"sqlite": 2.0, "postgres": 2.5}


@dataclass(frozen=True)
class Goal:
    """`measured` returns None if the run did not measure it."""

    name: str
    at_most: float
    measured: Callable[[Results, str], float | None]


def _times(contender: str, interface: str = REST) -> Callable[[Results, str], float | None]:
    def measured(results: Results, engine: str) -> float | None:
        ratios = results.ratios(engine, _OURS, Entry("callback", contender, interface))
        return statistics.median(ratios) if ratios else None

    return measured


def _by_graphql(results: Results, engine: str) -> float | None:
    ratios = results.ratios(engine, Entry("callback", "tendon", GRAPHQL), _OURS)
    return statistics.median(ratios) if ratios else None


def _tail(results: Results, engine: str) -> float | None:
    p50, p99 = (results.median(engine, _OURS, "half", what) for what in ("p50", "p99"))
    return p99 / p50 if p50 else None


def _memory(when: str) -> Callable[[Results, str], float | None]:
    def measured(results: Results, engine: str) -> float | None:
        footprint = results.footprint(engine, "tendon")
        return footprint and {"idle": footprint.idle, "loaded": footprint.loaded}[when]

    return measured


def _start(results: Results, engine: str) -> float | None:
    footprint = results.footprint(engine, "tendon")
    return footprint and statistics.median(footprint.starts)


GOALS = (
    Goal("FastAPI with the same statements, times", 0.12, _times("fastapi-core")),
    Goal("Fastify with fetch, times", 0.6, _times("fastify-fetch")),
    Goal("Fastify with undici.request, times", 1.3, _times("fastify-undici")),
    Goal("Yoga, times", 0.25, _times("yoga", GRAPHQL)),
    Goal("the same by GraphQL over REST, times", 1.5, _by_graphql),
    Goal("p99 over p50 at half load, times", 3.0, _tail),
    Goal("memory idle, MB", 75, _memory("idle")),
    Goal("memory loaded, MB", 90, _memory("loaded")),
    Goal("start to first 200, seconds", 0.5, _start),
)


def judged(results: Results) -> list[dict[str, Any]]:
    return [
        {"engine": engine, "goal": goal.name, "at_most": goal.at_most, "measured": round(value, 3)}
        for engine in results.engines()
        for goal in (Goal("the floor, times", _FLOOR[engine], _times("floor")), *GOALS)
        if (value := goal.measured(results, engine)) is not None
    ]


def lines(results: Results) -> Iterator[str]:
    yield f"\n{'a REST callback of Tendon':52} {'at most':>8} {'measured':>9}"
    for one in judged(results):
        verdict = "" if one["measured"] <= one["at_most"] else "  missed"
        yield f"{one['engine'] + ': ' + one['goal']:52} {one['at_most']:8} {one['measured']:9}{verdict}"
