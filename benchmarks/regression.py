"""Checks in CI whether Tendon has become slower: the instructions of a request, as a multiple of the floor's.

    .venv/bin/python -m benchmarks.regression [--engines sqlite postgres] [--repeats 2]

Both are counted in the same run, so that most of what another processor or C library changes cancels out. Exits with
status 1 if a limit is exceeded, and if Valgrind or an engine is not installed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks import callgrind
from benchmarks.contenders import BY_NAME, ENGINES, OPERATIONS
from benchmarks.databases import open_engine
from benchmarks.installing import BENCH, prepare, scratch
from benchmarks.instructions import Counted
from benchmarks.report import python
from benchmarks.testbed import Testbed, open_testbed
from benchmarks.verify import verify
from benchmarks.workload import GRAPHQL, REST

Counting = tuple[str, str]
"""An operation, by an interface."""

LIMITS: Final[Mapping[tuple[str, str, str], float]] = {
    ("sqlite", "callback", REST): 2.25,
    ("sqlite", "callback", GRAPHQL): 2.3,
    ("sqlite", "authorize", REST): 2.04,
    ("sqlite", "list", REST): 1.7,
    ("sqlite", "list", GRAPHQL): 1.72,
    ("postgres", "callback", REST): 3.21,
    ("postgres", "callback", GRAPHQL): 3.29,
    ("postgres", "authorize", REST): 2.46,
    ("postgres", "list", REST): 2.57,
    ("postgres", "list", GRAPHQL): 2.61,
}
"""Multiples of the floor by REST, 3 % above what was counted. Two runs differ by about 1 %."""

# A limit that is further above what is counted than this would let a regression pass.
_SLACK: Final = 1.06


@dataclass(frozen=True)
class Finding:
    """Instructions of a request, one figure for each repeat."""

    engine: str
    operation: str
    interface: str
    tendon: list[float]
    floor: list[float]
    limit: float

    @property
    def times(self) -> float:
        """Timers and second tries can only add instructions, so the repeat with the fewest counts."""
        return min(self.tendon) / min(self.floor)

    @property
    def is_good(self) -> bool:
        return self.times <= self.limit

    def __str__(self) -> str:
        verdict = f"at most {self.limit:.2f}" if self.is_good else f"MORE THAN {self.limit:.2f}"
        if self.times * _SLACK < self.limit:
            verdict += f"; lower the limit to {self.times * 1.03:.2f}"
        ours, floors = _thousands(self.tendon), _thousands(self.floor)
        about = f"{self.engine}, {self.operation} by {self.interface}"
        return f"{about}: {self.times:.3f} times the floor, {verdict} ({ours} / {floors} thousand)"


def _thousands(counts: list[float]) -> str:
    return ", ".join(f"{count / 1000:.1f}" for count in counts)


def counts(testbed: Testbed, name: str, repeats: int, what: Iterable[Counting]) -> dict[Counting, list[float]]:
    """The instructions, one figure for each repeat. Raises WrongAnswer."""
    with ExitStack() as stack:
        counted = Counted(BY_NAME[name], testbed)
        stack.callback(counted.runner.stop)
        counted.runner.start()
        found: dict[Counting, list[float]] = {}
        for operation, interface in what:
            counted.warm(operation, interface)
            repeated = [counted.count(operation, interface) for _ in range(repeats)]
            found[operation, interface] = [sum(one.values()) for one in repeated]
        verify(counted.runner)
    return found


def findings(engine_name: str, repeats: int, folder: Path) -> Iterator[Finding]:
    engine = open_engine(engine_name, folder)
    if engine is None:
        sys.exit(f"{engine_name} is not installed, so nothing was counted on it")
    with ExitStack() as stack:
        stack.callback(engine.close)
        testbed = stack.enter_context(open_testbed(engine, folder))
        limits = {
            (operation, interface): limit for (on, operation, interface), limit in LIMITS.items() if on == engine_name
        }
        floor = counts(testbed, "floor", repeats, [(operation, REST) for operation in OPERATIONS])
        tendon = counts(testbed, "tendon", repeats, limits)
    for (operation, interface), limit in limits.items():
        yield Finding(engine_name, operation, interface, tendon[operation, interface], floor[operation, REST], limit)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regression", description=__doc__)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=ENGINES)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    if not callgrind.is_installed():
        sys.exit("valgrind is not installed, so nothing was counted")
    prepare()
    print(f"Python {python()}", flush=True)
    found: list[Finding] = []
    with ExitStack() as stack:
        folder = scratch(stack)
        for name in given.engines:
            for finding in findings(name, given.repeats, folder):
                print(finding, flush=True)
                found.append(finding)
    (BENCH / "instructions.json").write_text(json.dumps([asdict(one) for one in found], indent=1))
    sys.exit(not all(one.is_good for one in found))


if __name__ == "__main__":
    main()
