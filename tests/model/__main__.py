"""All scenarios with all providers, then each rule dropped: `python -m tests.model --scenario "stray refreshes"`.

Prints a row for each, and exits with 1 if a rule doesn't hold, or if nothing breaks without it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pool

from tests.model.exploration import Outcome, Trace
from tests.model.mutations import MUTATIONS, REDUNDANT, Mutation
from tests.model.provider import Provider
from tests.model.rules import RULES
from tests.model.scenarios import BY_NAME, SCENARIOS, Scenario, everything, judged

_Played = tuple[Scenario, Provider, Outcome, float]
_Dropped = tuple[str, str, Trace | None, bool]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _progress(text: str) -> None:
    """One line that the next one replaces, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=sorted(BY_NAME), help="only these, and no dropped rules")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    return parser.parse_args()


def _play(job: tuple[Scenario, Provider]) -> _Played:
    started = time.process_time()
    return *job, job[0].explore(job[1]), time.process_time() - started


def _drop(mutation: Mutation) -> _Dropped:
    trace = mutation.trace()
    return str(mutation), mutation.breaks, trace, trace is not None and not mutation.breaks_with_all_rules()


def _is_backed(job: tuple[str, Mutation]) -> tuple[str, str, bool]:
    rule, mutation = job
    alone = mutation.scenario.explore(mutation.provider, RULES.without(rule)).violations
    return rule, str(mutation), not alone and _drop(mutation)[3]


def _steps(trace: Trace) -> str:
    return "".join(f"\n    {number:2} {step}" for number, step in enumerate(trace, 1))


def _tell_played(number: int, jobs: int, played: _Played) -> bool:
    one, provider, outcome, seconds = played
    broken = judged(one, outcome)
    windows = "; ".join(name for name in outcome.violations if name in one.window)
    _progress("")
    verdict = "BROKEN" if broken else f"window: {windows}" if windows else "holds"
    what = f"{one.name:58} {provider.behaviour:16} {provider.revocation:22}"
    _say(f"{what} {outcome.states:8} states {seconds:6.1f} s  {verdict}")
    for name, trace in broken.items():
        _say(f"  {name}:{_steps(trace)}")
    _progress(f"{number} of {jobs}")
    return not broken


def _run(arguments: argparse.Namespace) -> Iterator[bool]:
    chosen = [BY_NAME[name] for name in arguments.scenario] if arguments.scenario else SCENARIOS
    jobs = list(everything(chosen))
    states = steps = 0
    # Each exploration has a process of its own, which gives its memory back.
    with Pool(arguments.processes, maxtasksperchild=1) as pool:
        for number, played in enumerate(pool.imap(_play, jobs), 1):
            states, steps = states + played[2].states, steps + played[2].steps
            yield _tell_played(number, len(jobs), played)
        _progress("")
        _say(f"\n{states} states and {steps} steps in {len(jobs)} explorations\n")
        if arguments.scenario:
            return
        for rules, breaks, trace, good in pool.imap(_drop, MUTATIONS):
            _say(f"without {rules}: {breaks if good else f'NOTHING BREAKS: {breaks}'}{_steps(trace or [])}")
            yield good
        for rule, rules, good in pool.imap(_is_backed, REDUNDANT):
            _say(f"without {rule}: {'nothing breaks' if good else 'NOT AS EXPECTED'}, but without {rules}")
            yield good


def main() -> int:
    try:
        results = list(_run(_arguments()))
    except KeyboardInterrupt:
        return 130
    _say(f"\n{results.count(False)} of {len(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
