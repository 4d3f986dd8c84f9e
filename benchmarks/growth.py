"""Measures how cost grows with worker processes, with rows in the tables, and with the length of a list.

    .venv/bin/python -m benchmarks.growth [--engines sqlite …] [--parts workers rows lists] [--rounds 9] [--quick]

Every figure is CPU time per request, as the operating system counts it, of all the server's processes and of the
database's, relative to the smallest case in the same round. The goal is that only a longer list costs more: everything
else should stay within a tenth.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.bulk_rows import fill
from benchmarks.contenders import BY_NAME, ENGINES
from benchmarks.databases import Engine, open_engine
from benchmarks.growth_report import Point, as_text, points
from benchmarks.installing import BENCH, prepare, scratch
from benchmarks.proc import CORES, SERVER, leave_server_core
from benchmarks.progress import say
from benchmarks.rounds import WIDTH
from benchmarks.testbed import PATIENCE, Cost, Runner, Testbed, open_testbed
from benchmarks.workload import LISTED, REST

Turn = Callable[[], Cost]
Cases = dict[tuple[str, int], Turn]
"""The function for one turn, by operation and size."""


@dataclass(frozen=True)
class Size:
    """`turn` is the number of callbacks in one turn; turns of more expensive operations are shorter."""

    rounds: int
    turn: int
    rows: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    lists: tuple[int, ...] = (10, 100, 1_000)
    workers: tuple[int, ...] = tuple(range(1, len(CORES) + 1))


def workers(testbed: Testbed, size: Size, stack: ExitStack) -> Cases:
    """A callback, with a growing number of processes."""
    command = BY_NAME["tendon"].command
    # On SQLite, writers wait for each other, so more workers make no sense.
    most = 2 if testbed.engine.name == "sqlite" else len(size.workers)
    runners = {
        count: _started(testbed, stack, f"workers-{count}", set(CORES[:count]), (*command, "--workers", str(count)))
        for count in size.workers[:most]
    }
    return {("callback", count): _callbacks(runner, size) for count, runner in runners.items()}


def rows(testbed: Testbed, size: Size, stack: ExitStack) -> Cases:
    """All operations, with a growing number of rows in the tables."""
    cases: Cases = {}
    for count in size.rows:
        say(f"{testbed.engine.name}: {count} rows")
        runner = _started(testbed, stack, f"rows-{count}")
        fill(runner.database, testbed.engine.name, count)
        cases |= {
            ("callback", count): _callbacks(runner, size),
            ("authorize", count): _requests(runner, "authorize", size.turn),
            ("list", count): _requests(runner, "list", size.turn // 6),
        }
    return cases


def lists(testbed: Testbed, size: Size, stack: ExitStack) -> Cases:
    """Lists of growing length."""
    runner = _started(testbed, stack, "lists")
    runner.database.settle()
    return {
        ("list", count): _requests(runner, "list", max(size.turn * 20 // (count + 60), 6), listed=count)
        for count in size.lists
    }


PARTS = {"workers": workers, "rows": rows, "lists": lists}


def _started(
    testbed: Testbed, stack: ExitStack, name: str, cores: set[int] = SERVER, command: tuple[str, ...] | None = None
) -> Runner:
    contender = BY_NAME["tendon"]
    runner = Runner(replace(contender, name=name, command=command or contender.command), testbed, cores)
    stack.callback(runner.stop)
    runner.start()
    return runner


def _callbacks(runner: Runner, size: Size) -> Turn:
    runner.seed(size.turn * (size.rounds + 1))
    return lambda: runner.cost("callback", REST, PATIENCE, size.turn, width=WIDTH)


def _requests(runner: Runner, operation: str, count: int, listed: int = LISTED) -> Turn:
    return lambda: runner.cost(operation, REST, PATIENCE, count, width=WIDTH, listed=listed)


def interleaved(cases: Cases, rounds: int, what: str) -> dict[tuple[str, int], list[Cost]]:
    """The costs of every case, one for each round, after one turn to warm up."""
    found: dict[tuple[str, int], list[Cost]] = {case: [] for case in cases}
    for number in range(-1, rounds):
        for operation, count in random.Random(number).sample(list(cases), len(cases)):
            say(f"{what}, round {number + 1} of {rounds}: {operation} at {count}")
            cost = cases[operation, count]()
            if number >= 0:
                found[operation, count].append(cost)
    return found


def measure(engine: Engine, folder: Path, size: Size, parts: Iterable[str]) -> list[Point]:
    made: list[Point] = []
    for part in parts:
        with ExitStack() as stack:
            lengths = size.lists if part == "lists" else (LISTED,)
            testbed = stack.enter_context(open_testbed(engine, folder, lengths, name=part))
            cases = PARTS[part](testbed, size, stack)
            found = interleaved(cases, size.rounds, f"{engine.name}, {part}")
            made += points(engine.name, part, found)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=ENGINES)
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="small tables and two rounds, only to check that it works")
    given = parser.parse_args()
    size = Size(rounds=given.rounds, turn=600)
    if given.quick:
        size = replace(size, rounds=2, turn=120, rows=(1_000, 10_000))
    prepare()
    leave_server_core()
    made: list[Point] = []
    for name in given.engines:
        with ExitStack() as stack:
            folder = scratch(stack)
            engine = open_engine(name, folder)
            if engine is None:
                say(f"without {name}: its server is not installed\n")
                continue
            stack.callback(engine.close)
            made += measure(engine, folder, size, given.parts)
    say("done\n")
    path = BENCH / ("growth-quick.json" if given.quick else "growth.json")
    path.write_text(json.dumps([asdict(point) for point in made], indent=1))
    print("\n".join(as_text(made)))
    print(f"\n{path} has the figures of all rounds.")


if __name__ == "__main__":
    main()
