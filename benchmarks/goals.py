"""What Tendon wants to be, held against what was measured. Nothing fails here: `regression.py` does that."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import Entry
from benchmarks.workload import GRAPHQL, REST

if TYPE_CHECKING:
    from benchmarks.report import Report

_OURS = Entry("callback", "tendon", REST)
_FLOOR = {"sqlite": 2.0, "postgres": 2.5}


@dataclass(frozen=True)
class Goal:
    """`measured` gives None where it was not measured."""

    name: str
    at_most: float
    measured: Callable[[Report, str], float | None]


def _times(contender: str, interface: str = REST) -> Callable[[Report, str], float | None]:
    def measured(report: Report, engine: str) -> float | None:
        ratios = report.ratios(engine, _OURS, Entry("callback", contender, interface))
        return statistics.median(ratios) if ratios else None

    return measured


def _by_graphql(report: Report, engine: str) -> float | None:
    ratios = report.ratios(engine, Entry("callback", "tendon", GRAPHQL), _OURS)
    return statistics.median(ratios) if ratios else None


def _tail(report: Report, engine: str) -> float | None:
    p50, p99 = (report.median(engine, _OURS, "half", what) for what in ("p50", "p99"))
    return p99 / p50 if p50 else None


def _memory(when: str) -> Callable[[Report, str], float | None]:
    def measured(report: Report, engine: str) -> float | None:
        body = report.body(engine, "tendon")
        return body and {"idle": body.idle, "loaded": body.loaded}[when]

    return measured


def _start(report: Report, engine: str) -> float | None:
    body = report.body(engine, "tendon")
    return body and statistics.median(body.starts)


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


def judged(report: Report) -> list[dict[str, Any]]:
    return [
        {"engine": engine, "goal": goal.name, "at_most": goal.at_most, "measured": round(value, 3)}
        for engine in report.engines()
        for goal in (Goal("the floor, times", _FLOOR[engine], _times("floor")), *GOALS)
        if (value := goal.measured(report, engine)) is not None
    ]


def told(report: Report) -> Iterator[str]:
    yield f"\n{'a REST callback of Tendon':52} {'at most':>8} {'measured':>9}"
    for one in judged(report):
        verdict = "" if one["measured"] <= one["at_most"] else "  missed"
        yield f"{one['engine'] + ': ' + one['goal']:52} {one['at_most']:8} {one['measured']:9}{verdict}"
