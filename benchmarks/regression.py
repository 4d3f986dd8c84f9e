"""Whether Tendon has become slower: CPU of a REST callback and of a list, in times of the floor's. For CI.

    .venv/bin/python -m benchmarks.regression [--rounds 15]

Never seconds: the floor is measured beside, in short turns on the same core, so a busy or slow machine weighs on both.
Exits with 1 when a ratio is over its bound.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from benchmarks import proc
from benchmarks.contenders import BY_NAME
from benchmarks.databases import Sqlite
from benchmarks.installing import prepare, scratch
from benchmarks.stage import Provider, Runner, Stage
from benchmarks.verify import verify
from benchmarks.workload import REST

BOUNDS = {"callback": 8.0, "list": 37.0}
"""Times the floor, on SQLite. On a busy machine callbacks came out between 5.1 and 6.6, lists between 29.1 and 29.9, so
that is a fifth above the highest. Lower them when Tendon gets faster."""

# A turn is long enough for some hundred requests and short enough that both contenders meet the same machine.
_TURN = 0.6
_WIDTH = 8
_WARM = 2.0


def ratio(rounds: int, tendon: Runner, floor: Runner, operation: str) -> float:
    """Of what a request costs in the cheapest fifth of the turns: what else the machine does only adds to it."""
    for runner in (tendon, floor):
        _cost(runner, operation, _WARM)
    costs: dict[str, list[float]] = {"tendon": [], "floor": []}
    for number in range(rounds):
        # Each begins every second time.
        for runner in (tendon, floor) if number % 2 else (floor, tendon):
            costs[runner.contender.name].append(_cost(runner, operation, _TURN))
    return _cheap(costs["tendon"]) / _cheap(costs["floor"])


def _cheap(costs: list[float]) -> float:
    return sorted(costs)[len(costs) // 5]


def _cost(runner: Runner, operation: str, seconds: float) -> float:
    """CPU seconds a request."""
    if operation == "callback":
        runner.seed(int(6000 * seconds))
    before = proc.cpu(runner.pid)
    result = runner.load(operation, REST, seconds, width=_WIDTH)
    return proc.spent(before, proc.cpu(runner.pid)) / result.answered


def ratios(rounds: int) -> dict[str, float]:
    """By operation."""
    prepare()
    with ExitStack() as stack:
        folder = scratch(stack)
        provider = Provider(folder)
        stack.callback(provider.close)
        stage = Stage(Sqlite(folder), provider, folder)
        tendon, floor = (Runner(BY_NAME[name], stage) for name in ("tendon", "floor"))
        for runner in (tendon, floor):
            runner.start()
            stack.callback(runner.stop)
        found = {operation: ratio(rounds, tendon, floor, operation) for operation in BOUNDS}
        for runner in (tendon, floor):
            verify(runner)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    found = ratios(parser.parse_args().rounds)
    for operation, times in found.items():
        print(f"{operation}: {times:.2f} times the floor, at most {BOUNDS[operation]}")
    sys.exit(any(times > BOUNDS[operation] for operation, times in found.items()))


if __name__ == "__main__":
    main()
