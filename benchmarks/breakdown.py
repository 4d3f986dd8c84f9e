"""Shows what a request consists of: the instructions of each library and function of C, and for each function of Python
its calls, the byte codes that it executes, and its calls of functions of C.

    .venv/bin/python -m benchmarks.breakdown [--operation callback] [--engine postgres] [--contender tendon]
        [--against FILE] [--lines 30] [--calls-only]

The figures are those of one request. They are also written to a file. With `--against`, the tables show how they differ
from those in such a file, which was written before a change.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import callgrind
from benchmarks.breakdown_report import Table, as_text, difference, of_calls, of_instructions
from benchmarks.contenders import BY_NAME, ENGINES, OPERATIONS, Contender
from benchmarks.databases import open_engine
from benchmarks.installing import BENCH, prepare, scratch
from benchmarks.instructions import REQUESTS, Counted, load
from benchmarks.proc import CORES
from benchmarks.testbed import PATIENCE, Runner, Testbed, open_testbed


def instructions(contender: Contender, testbed: Testbed, operation: str) -> dict[str, Table]:
    counted = Counted(contender, testbed)
    with ExitStack() as stack:
        stack.callback(counted.runner.stop)
        counted.runner.start()
        counted.warm(operation)
        return of_instructions(counted.count(operation))


def python_calls(contender: Contender, testbed: Testbed, operation: str) -> dict[str, Table]:
    counts = testbed.folder / "python-calls"
    python, option, *program = contender.command
    command = (python, option, "benchmarks.python_calls", str(counts), *program)
    runner = Runner(replace(contender, name="recorded", command=command), testbed, set(CORES))
    with ExitStack() as stack:
        stack.callback(runner.stop)
        runner.start()
        load(runner, operation, REQUESTS[operation])
        os.kill(runner.pid, signal.SIGUSR1)
        answered = load(runner, operation, REQUESTS[operation])
        os.kill(runner.pid, signal.SIGUSR2)
        _await(counts)
    return of_calls(json.loads(counts.read_text(encoding="utf-8")), answered)


def _await(file: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not file.exists():
        if time.monotonic() > end:
            raise RuntimeError("the calls were not written")
        time.sleep(0.01)


def measure(given: argparse.Namespace) -> dict[str, Table]:
    with ExitStack() as stack:
        folder = scratch(stack)
        engine = open_engine(given.engine, folder)
        if engine is None:
            sys.exit(f"{given.engine} is not installed")
        stack.callback(engine.close)
        testbed = stack.enter_context(open_testbed(engine, folder))
        about = BY_NAME[given.contender], testbed, given.operation
        return python_calls(*about) if given.calls_only else instructions(*about) | python_calls(*about)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.breakdown", description=__doc__)
    parser.add_argument("--operation", choices=OPERATIONS, default="callback")
    parser.add_argument("--engine", choices=ENGINES, default="postgres")
    parser.add_argument("--contender", choices=["tendon", "floor", "floor-each"], default="tendon")
    parser.add_argument("--against", type=Path, help="a file that an earlier run wrote")
    parser.add_argument("--lines", type=int, default=30, help="of each table")
    parser.add_argument("--calls-only", action="store_true", help="no instructions, which need Valgrind and a minute")
    given = parser.parse_args()
    if not given.calls_only and not callgrind.is_installed():
        sys.exit("valgrind is not installed, but --calls-only works without it")
    before: dict[str, Any] = json.loads(given.against.read_text(encoding="utf-8")) if given.against else {}
    prepare()
    tables = measure(given)
    print("\n".join(as_text(difference(tables, before) if given.against else tables, given.lines)))
    path = BENCH / f"breakdown-{given.contender}-{given.engine}-{given.operation}.json"
    path.write_text(json.dumps(tables, indent=1))
    print(f"\n{path} has the figures of all functions.")


if __name__ == "__main__":
    main()
