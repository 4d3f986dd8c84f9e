"""The options of `make bench`: contenders, engines, rounds and durations."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.contenders import CONTENDERS, ENGINES, OPERATIONS, Contender
from benchmarks.installing import BENCH, ROOT


@dataclass(frozen=True)
class Plan:
    """`seconds` is the duration of one closed loop with 32 requests in flight, `warm` that of the warm-up, and `rate`
    the requests per second of the open loop, the same for all contenders."""

    rounds: int
    seconds: float
    warm: float
    rate: float
    engines: tuple[str, ...]
    contenders: tuple[Contender, ...]
    operations: tuple[str, ...]
    results: Path
    chart: Path

    def on(self, engine: str) -> Plan:
        """With the contenders that are measured on this engine."""
        return replace(self, contenders=tuple(one for one in self.contenders if engine in one.engines))


def read_plan(arguments: list[str] | None = None) -> Plan:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.2)
    parser.add_argument("--warm", type=float, default=10)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=ENGINES)
    parser.add_argument(
        "--peers", nargs="*", choices=[one.name for one in CONTENDERS], help="besides Tendon and the floor"
    )
    parser.add_argument("--operations", nargs="*", choices=OPERATIONS, default=OPERATIONS)
    parser.add_argument("--quick", action="store_true", help="one short round, only to check that it works")
    given = parser.parse_args(arguments)
    return _plan(given)


def _plan(given: argparse.Namespace) -> Plan:
    wanted = None if given.peers is None else {"floor", "floor-each", "tendon", *given.peers}
    return Plan(
        rounds=1 if given.quick else given.rounds,
        seconds=0.5 if given.quick else given.seconds,
        warm=0.5 if given.quick else given.warm,
        rate=given.rate,
        engines=tuple(given.engines),
        contenders=tuple(one for one in CONTENDERS if wanted is None or one.name in wanted),
        operations=tuple(given.operations),
        results=BENCH / ("quick.json" if given.quick else "results.json"),
        chart=ROOT / "docs" / "benchmark.svg" if _whole(given) else BENCH / "chart.svg",
    )


def _whole(given: argparse.Namespace) -> bool:
    """Whether the chart in docs/ is replaced: only by a run with all contenders on both engines."""
    return not given.quick and given.peers is None and set(given.engines) == set(ENGINES)
