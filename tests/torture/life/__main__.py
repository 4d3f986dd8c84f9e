"""The long run: `python -m tests.torture.life --engine sqlite --kills 200`. Exits with 1 when a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

import pytest

from tests.torture.databases import Database, Postgres, Sqlite
from tests.torture.foreign import provider as foreign
from tests.torture.life import trial
from tests.torture.life.rules import violations
from tests.torture.life.summary import Summary
from tests.torture.life.trial import Plan
from tests.torture.life.world import opened, start_sandbox

PROVIDERS = {"sandbox": start_sandbox, "foreign": foreign.start}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.life", description=__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--kills", type=int, default=200, help="go on until so many processes were killed")
    parser.add_argument("--refreshes", type=int, default=0, help="… and until there were so many refreshes")
    parser.add_argument("--provider", choices=PROVIDERS, default="sandbox")
    parser.add_argument("--seconds", type=float, default=30, help="of torment, in each trial")
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--seed", default=None, help="what is done is drawn from it; when it happens is not")
    parser.add_argument("--keep", type=Path, help="a new folder for databases and logs, which stay")
    parser.add_argument("--calm", action="store_true", help="without any fault")
    parser.add_argument("--instead", help="a module that the gateways run in place of tendon, to see a fault found")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> tuple[Summary, int]:
    summary, found, seed = Summary(), 0, arguments.seed or f"{random.getrandbits(32):08x}"
    _say(f"engine {arguments.engine}, provider {arguments.provider}, seed {seed}")
    with tempfile.TemporaryDirectory() as scratch:
        top = arguments.keep or Path(scratch)
        while summary.trials == 0 or (_more(summary, arguments) and not arguments.calm):
            folder = top / f"trial-{summary.trials + 1}"
            folder.mkdir(parents=True)
            database: Database = Sqlite(folder) if arguments.engine == "sqlite" else await Postgres.open()
            workers = 1 if arguments.engine == "sqlite" else 2
            plan = Plan(f"{seed} {folder.name}", arguments.seconds, arguments.people, arguments.calm)
            try:
                start = PROVIDERS[arguments.provider]
                async with opened(folder, database, workers=workers, instead=arguments.instead, start=start) as world:
                    record = await trial.run(world, plan)
            finally:
                await database.close()
            summary.add(record)
            broken = violations(record)
            found += len(broken)
            so_far = f"{summary.kills} kills, {summary.refreshes} refreshes"
            _say(f"trial {summary.trials}: so far {so_far}; {len(broken)} violations in this one")
            for violation in broken:
                _say(f"\n{violation}\n")
    return summary, found


def _more(summary: Summary, arguments: argparse.Namespace) -> bool:
    return summary.kills < arguments.kills or summary.refreshes < arguments.refreshes


def main() -> int:
    try:
        summary, found = asyncio.run(_run(_arguments()))
    except pytest.skip.Exception as missing:
        _say(f"NOTHING WAS TESTED: {missing}")
        return 0
    _say(f"\n{summary}\n{found} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
