"""`make bench`: Tendon as it is shipped, the floor and the peers at the same work, with the same statements and the
same durability, in interleaved rounds.

    .venv/bin/python -m benchmarks [--rounds 5] [--seconds 1.2] [--engines sqlite postgres] [--peers apollo …] [--quick]

Contenders run on one core, everything else on the others. A run with one wrong answer, row or call is no run.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.chart import draw
from benchmarks.contenders import shipped
from benchmarks.databases import Engine, open_engine
from benchmarks.installing import missing, prepare, scratch
from benchmarks.plan import Plan, read_plan
from benchmarks.proc import stand_aside
from benchmarks.progress import say
from benchmarks.report import Report, surroundings
from benchmarks.rounds import Body, Contest, Sample
from benchmarks.stage import WrongAnswer, stage_on


@dataclass
class Found:
    """What was measured so far. `engines` says how each runs."""

    samples: list[Sample] = field(default_factory=list[Sample])
    bodies: list[Body] = field(default_factory=list[Body])
    engines: dict[str, str] = field(default_factory=dict[str, str])


def ready(plan: Plan) -> Plan:
    """The plan with those who can run here."""
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


def run(plan: Plan) -> Report:
    """Raises WrongAnswer."""
    before, found = os.getloadavg(), Found()
    for name in plan.engines:
        with ExitStack() as stack:
            folder = scratch(stack)
            engine = open_engine(name, folder)
            if engine is None:
                say(f"without {name}: its server is not installed\n")
                continue
            stack.callback(engine.close)
            _contest(plan, engine, folder, found)
    return Report(found.samples, found.bodies, surroundings(plan, found.engines, before))


def _contest(plan: Plan, engine: Engine, folder: Path, found: Found) -> None:
    with stage_on(engine, folder) as stage:
        samples, bodies = Contest(plan, stage, lambda what: say(f"{engine.name}: {what}")).run()
    found.samples += samples
    found.bodies += bodies
    found.engines[engine.name] = f"{engine.version}; {engine.durability}"


def main() -> None:
    prepare()
    plan = ready(read_plan())
    stand_aside()
    try:
        made = run(plan)
    except WrongAnswer as fault:
        sys.exit(f"\nno run: {fault}")
    say("done\n")
    plan.results.write_text(made.as_json())
    plan.chart.write_text(draw(made))
    print(made.as_text())
    print(f"\n{plan.results} has every number, {plan.chart} the chart.")


if __name__ == "__main__":
    main()
