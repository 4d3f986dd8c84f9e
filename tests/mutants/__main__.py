"""Plants small faults in Tendon's code, one at a time, and runs the tests on each: `python -m tests.mutants`.

A mutant that no test notices shows a rule that no test pins, or it is harmless: harmless.toml lists those and says why.
Exits with 1 if less than 90% of the rest is noticed in a package, and with 2 if the tests fail without any fault.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.mutants import harmless
from tests.mutants.drawing import CORE, draw, packages
from tests.mutants.mutant import Mutant
from tests.mutants.report import Report
from tests.mutants.scratch import Scratch
from tests.mutants.stages import Stage, all_tests, in_packages, stages_for
from tests.mutants.trial import Trial

ROOT: Final = Path(__file__).parents[2]
_BROKEN: Final = 2
_NARROW: Final = {"module", "folder", "package"}
# Seconds for all tests on the clean copy. On a mutant they may take twice as long as there, and wait for a time-out.
_PATIENCE: Final = 3600
_TIME_OUTS: Final = 300
_MORE_ATTEMPTS: Final = 2


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--package", nargs="+", default=CORE, help="such as resolvers or models/engine; else the core")
    parser.add_argument("--count", type=int, default=150, help="of all mutants together")
    parser.add_argument("--seed", type=int, default=1, help="decides what is drawn")
    parser.add_argument("--quick", action="store_true", help="only the tests of the mutant's package")
    parser.add_argument("--list", action="store_true", help="show what is drawn, and run no tests")
    return parser.parse_args()


def _stages(scratch: Scratch, mutant: Mutant, *, quick: bool) -> list[Stage]:
    return [stage for stage in stages_for(scratch.root, mutant.key.module) if not quick or stage.name in _NARROW]


def _clean(scratch: Scratch, stage: Stage) -> bool:
    """Whether the tests pass without a fault. What fails may try again alone: a busy machine makes some tests fail."""
    run = scratch.test(stage.arguments, seconds=_PATIENCE, first_only=False)
    for _ in range(_MORE_ATTEMPTS):
        if run.failed:
            run = scratch.test(run.failed, seconds=_PATIENCE, first_only=False)
    if not run.passed:
        _say(f"{run.output}\nThe tests don't pass without any fault.")
    return run.passed


def _try_all(scratch: Scratch, trial: Trial, drawn: list[Mutant], report: Report, *, quick: bool) -> Iterator[str]:
    """Tries each mutant; yields a line about each."""
    known = harmless.read()
    for number, mutant in enumerate(drawn, 1):
        began = time.monotonic()
        if mutant.key in known:
            report.add_harmless(mutant, known[mutant.key])
            outcome = "is harmless"
        else:
            verdict = trial.of(mutant, _stages(scratch, mutant, quick=quick))
            report.add(mutant, noticed=verdict.by is not None)
            report.wavering.update(verdict.wavering)
            outcome = f"noticed by {verdict.by}" if verdict.by else "NOT NOTICED"
        yield f"[{number}/{len(drawn)}, {time.monotonic() - began:.0f} s] {outcome}: {mutant}"


def _run(scratch: Scratch, drawn: list[Mutant], every: Stage, *, quick: bool) -> int:
    """The exit status."""
    if not scratch.imports_what_is_planted("gateway/cli.py"):
        _say("The copy imports another Tendon than its own.")
        return _BROKEN
    began = time.monotonic()
    if not _clean(scratch, every):
        return _BROKEN
    trial = Trial(scratch, 2 * (time.monotonic() - began) + _TIME_OUTS)
    report = Report()
    try:
        for line in _try_all(scratch, trial, drawn, report, quick=quick):
            _say(line)
    except KeyboardInterrupt:
        _say("Interrupted.")
    _say(f"\n{report}")
    return 1 if report.poor else 0


def main() -> int:
    arguments = _arguments()
    try:
        modules = packages(ROOT, arguments.package)
    except LookupError as unknown:
        _say(f"There is no package {unknown.args[0]}.")
        return _BROKEN
    drawn = draw(ROOT, modules, arguments.count, arguments.seed)
    _say(f"{len(drawn)} mutants of {', '.join(modules)}, seed {arguments.seed}")
    if arguments.list:
        _say("\n".join(map(str, drawn)))
        return 0
    # Ends like an interruption, so that the copy is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Scratch.of(ROOT) as scratch:
        every = in_packages(modules) if arguments.quick else all_tests(scratch.root)
        return _run(scratch, drawn, every, quick=arguments.quick)


if __name__ == "__main__":
    sys.exit(main())
