"""`make bench`: measures Tendon as it is shipped, the floor and the peers at the same work, with the same statements
and the same durability, in interleaved rounds.

    .venv/bin/python -m benchmarks [--rounds 5] [--seconds 1.2] [--engines sqlite postgres] [--peers apollo …] [--quick]

The contenders run on one core, everything else on the others. One wrong answer, row or provider call voids the run. If
a contender asks to repeat a request, because the machine stood still, the round is measured again for all of them.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import replace

from benchmarks.chart import draw
from benchmarks.contenders import shipped
from benchmarks.databases import Engine, open_engine
from benchmarks.installing import missing, prepare, scratch
from benchmarks.plan import Plan, read_plan
from benchmarks.proc import leave_server_core
from benchmarks.progress import say
from benchmarks.report import as_json, as_text, surroundings
from benchmarks.results import Results
from benchmarks.rounds import Contest, Footprint, Sample
from benchmarks.testbed import Testbed, WrongAnswer, open_testbed


def usable(plan: Plan) -> Plan:
    """The plan without the contenders that can't run here."""
    why = {need: missing(need, say) for need in sorted({one.needs for one in plan.contenders})}
    for need, reason in why.items():
        if reason:
            say(f"without the {need} peers: {reason}\n")
    able = tuple(one for one in plan.contenders if why[one.needs] is None)
    if reason := missing("tendon", say):
        say(f"Tendon from this environment, with the tools for its development: {reason}\n")
    else:
        able = tuple(shipped(one) if one.ours else one for one in able)
    return replace(plan, contenders=able)


def run(plan: Plan) -> Results:
    """Raises WrongAnswer."""
    before, engines, disturbances = os.getloadavg(), dict[str, str](), list[str]()
    samples, footprints = list[Sample](), list[Footprint]()
    for name in plan.engines:
        with ExitStack() as stack:
            folder = scratch(stack)
            engine = open_engine(name, folder)
            if engine is None:
                say(f"without {name}: its server is not installed\n")
                continue
            stack.callback(engine.close)
            with open_testbed(engine, folder) as testbed:
                contest = _contest(plan, engine, testbed)
                measured = contest.run()
        samples += measured[0]
        footprints += measured[1]
        disturbances += contest.disturbances
        engines[name] = f"{engine.version}; {engine.durability}"
    around = surroundings(plan, engines, before) | {"measured_again": disturbances}
    return Results(samples, footprints, around)


def _contest(plan: Plan, engine: Engine, testbed: Testbed) -> Contest:
    return Contest(plan.on(engine.name), testbed, lambda what: say(f"{engine.name}: {what}"))


def main() -> None:
    prepare()
    plan = usable(read_plan())
    leave_server_core()
    try:
        results = run(plan)
    except WrongAnswer as fault:
        sys.exit(f"\nThe run is void: {fault}")
    say("done\n")
    plan.results.write_text(as_json(results))
    plan.chart.write_text(draw(results))
    print(as_text(results))
    print(f"\n{plan.results} has all figures, {plan.chart} the chart.")


if __name__ == "__main__":
    main()
