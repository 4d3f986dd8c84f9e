"""Checks in CI whether Tendon has become slower: CPU time of a REST callback and of a list, relative to the floor.

    .venv/bin/python -m benchmarks.regression [--rounds 9] [--engines sqlite postgres]

The floor is measured at the same time, in short turns on the same core, so a busy or slow machine affects both. Exits
with status 1 if a ratio exceeds its limit, or if an engine is not installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.contenders import BY_NAME
from benchmarks.databases import open_engine
from benchmarks.installing import prepare, scratch
from benchmarks.plan import ENGINES
from benchmarks.proc import leave_server_core
from benchmarks.testbed import PATIENCE, Runner, Testbed, open_testbed
from benchmarks.verify import verify
from benchmarks.workload import REST

LIMITS = {
    ("sqlite", "callback"): 2.3,
    ("sqlite", "list"): 6.7,
    ("postgres", "callback"): 4.8,
    ("postgres", "list"): 3.4,
}
"""Multiples of the floor, a quarter above the measured values: 1.78, 5.1 to 5.3, 3.7 to 3.8 and 2.6 to 2.7. Lower
them when Tendon gets faster."""

# Requests per turn: enough to measure, and few enough that both contenders run under the same conditions.
_TURN = {"callback": 300, "list": 60}
_WARM = 3
_WIDTH = 8


def ratio(rounds: int, tendon: Runner, floor: Runner, operation: str) -> float:
    """Tendon's cost relative to the floor's, at the cheapest fifth of the turns: other activity can only add cost."""
    if operation == "callback":
        for runner in (tendon, floor):
            runner.seed(_TURN[operation] * (_WARM + rounds))
    for runner in (tendon, floor):
        _cost(runner, operation, _WARM)
    costs: dict[str, list[float]] = {"tendon": [], "floor": []}
    for number in range(rounds):
        # They take turns in going first.
        for runner in (tendon, floor) if number % 2 else (floor, tendon):
            costs[runner.contender.name].append(_cost(runner, operation))
    return _cheap(costs["tendon"]) / _cheap(costs["floor"])


def _cheap(costs: list[float]) -> float:
    return sorted(costs)[len(costs) // 5]


def _cost(runner: Runner, operation: str, turns: int = 1) -> float:
    """CPU time per request."""
    return runner.cost(operation, REST, PATIENCE, count=_TURN[operation] * turns, width=_WIDTH).cpu


def ratios(testbed: Testbed, rounds: int) -> Iterator[tuple[str, float]]:
    """The ratio of each operation. Raises WrongAnswer."""
    with ExitStack() as stack:
        tendon, floor = (Runner(BY_NAME[name], testbed) for name in ("tendon", "floor"))
        for runner in (tendon, floor):
            stack.callback(runner.stop)
            runner.start()
        for operation in _TURN:
            yield operation, ratio(rounds, tendon, floor, operation)
        for runner in (tendon, floor):
            verify(runner)


def check(name: str, rounds: int, folder: Path) -> bool:
    """Whether all operations are within their limits on this engine."""
    engine = open_engine(name, folder)
    if engine is None:
        print(f"{name} is not installed, so it was not measured")
        return False
    with ExitStack() as stack:
        stack.callback(engine.close)
        found = dict(ratios(stack.enter_context(open_testbed(engine, folder)), rounds))
    for operation, times in found.items():
        print(f"{name}, {operation}: {times:.2f} times the floor, at most {LIMITS[name, operation]}", flush=True)
    return all(times <= LIMITS[name, operation] for operation, times in found.items())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=ENGINES)
    given = parser.parse_args()
    prepare()
    leave_server_core()
    with ExitStack() as stack:
        folder = scratch(stack)
        good = [check(name, given.rounds, folder) for name in given.engines]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
