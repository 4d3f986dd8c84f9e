"""The long run: `python -m tests.torture --engine sqlite --kills 200`. Exits with 1 when a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.torture import clocks, trial
from tests.torture.checker import Violation, violations
from tests.torture.databases import Database, Postgres, Sqlite
from tests.torture.summary import Summary
from tests.torture.trial import Plan
from tests.torture.world import opened


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--kills", type=int, default=200, help="go on until so many gateways were killed")
    parser.add_argument("--seconds", type=float, default=20, help="of torment, in each trial")
    parser.add_argument("--gateways", type=int, default=3)
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--seed", default=None, help="what is done is drawn from it; when it happens is not")
    parser.add_argument("--history", type=Path, help="a file for all that happened in the newest trial")
    parser.add_argument("--calm", action="store_true", help="without any fault")
    parser.add_argument("--broken", action="store_true", help="with a claim that reads first, to see it found")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> tuple[Summary, list[Violation]]:
    summary, found = Summary(), list[Violation]()
    seed = arguments.seed or f"{random.getrandbits(32):08x}"
    _say(f"engine {arguments.engine}, seed {seed}")
    if clocks.library() is None:
        _say("NO CLOCK WILL BE WRONG: libfaketime is not installed (Debian's package faketime)")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        database: Database = Sqlite(folder) if arguments.engine == "sqlite" else await Postgres.open()
        try:
            async with opened(folder, database, gateways=arguments.gateways, broken=arguments.broken) as world:
                while summary.trials == 0 or (summary.kills < arguments.kills and not arguments.calm):
                    plan = _plan(arguments, seed, summary.trials + 1)
                    record = await trial.run(world, plan)
                    summary.add(record)
                    broken = violations(record)
                    if arguments.history:
                        arguments.history.write_text(f"{record.history}\n", encoding="utf-8")
                    found.extend(broken)
                    _tell(summary, broken)
        finally:
            await database.close()
    return summary, found


def _plan(arguments: argparse.Namespace, seed: str, number: int) -> Plan:
    """The first trial is without faults: what fails there has no excuse."""
    calm = arguments.calm or number == 1
    return Plan(seed, f"trial-{number}", 5 if calm else arguments.seconds, arguments.people, calm)


def _tell(summary: Summary, broken: list[Violation]) -> None:
    counted = f"{summary.kills} kills, {summary.operations} operations, {summary.exchanges} exchanges"
    _say(f"trial {summary.trials}: so far {counted}; {len(broken)} violations in this one")
    for violation in broken:
        _say(f"\n{violation}\n")


def main() -> int:
    summary, found = asyncio.run(_run(_arguments()))
    _say(f"\n{summary}\n{len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
