"""Whether Tendon has become slower: CPU of a REST callback and of a list, in times of the floor's. For CI.

    .venv/bin/python -m benchmarks.regression [--rounds 9] [--engines sqlite postgres]

Never seconds: the floor is measured beside, in short turns on the same core, so a busy or slow machine weighs on both.
Exits with 1 when a ratio is over its bound, and when an engine is not there.
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
from benchmarks.stage import PATIENCE, Runner, Stage, stage_on
from benchmarks.verify import verify
from benchmarks.workload import REST

BOUNDS = {
    ("sqlite", "callback"): 2.3,
    ("sqlite", "list"): 6.7,
    ("postgres", "callback"): 4.8,
    ("postgres", "list"): 3.4,
}
"""Times the floor, a quarter above what came out: 1.78, 5.1 to 5.3, 3.7 to 3.8 and 2.6 to 2.7. Lower them when
Tendon gets faster."""

# So many requests a turn: enough to count, and few enough that both contenders meet the same machine.
_TURN = {"callback": 300, "list": 60}
_WARM = 3
_WIDTH = 8


def ratio(rounds: int, tendon: Runner, floor: Runner, operation: str) -> float:
    """Of what a request costs in the cheapest fifth of the turns: what else the machine does only adds to it."""
    if operation == "callback":
        for runner in (tendon, floor):
            runner.seed(_TURN[operation] * (_WARM + rounds))
    for runner in (tendon, floor):
        _cost(runner, operation, _WARM)
    costs: dict[str, list[float]] = {"tendon": [], "floor": []}
    for number in range(rounds):
        # Each begins every second time.
        for runner in (tendon, floor) if number % 2 else (floor, tendon):
            costs[runner.contender.name].append(_cost(runner, operation))
    return _cheap(costs["tendon"]) / _cheap(costs["floor"])


def _cheap(costs: list[float]) -> float:
    return sorted(costs)[len(costs) // 5]


def _cost(runner: Runner, operation: str, turns: int = 1) -> float:
    """CPU a request."""
    return runner.cost(operation, REST, PATIENCE, count=_TURN[operation] * turns, width=_WIDTH).cpu


def ratios(stage: Stage, rounds: int) -> Iterator[tuple[str, float]]:
    """By operation. Raises WrongAnswer."""
    with ExitStack() as stack:
        tendon, floor = (Runner(BY_NAME[name], stage) for name in ("tendon", "floor"))
        for runner in (tendon, floor):
            stack.callback(runner.stop)
            runner.start()
        for operation in _TURN:
            yield operation, ratio(rounds, tendon, floor, operation)
        for runner in (tendon, floor):
            verify(runner)


def check(name: str, rounds: int, folder: Path) -> bool:
    """Whether all is within its bounds on this engine."""
    engine = open_engine(name, folder)
    if engine is None:
        print(f"{name} is not installed: nothing is known of it")
        return False
    with ExitStack() as stack:
        stack.callback(engine.close)
        found = dict(ratios(stack.enter_context(stage_on(engine, folder)), rounds))
    for operation, times in found.items():
        print(f"{name}, {operation}: {times:.2f} times the floor, at most {BOUNDS[name, operation]}", flush=True)
    return all(times <= BOUNDS[name, operation] for operation, times in found.items())


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
