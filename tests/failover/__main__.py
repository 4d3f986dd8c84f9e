"""All scenarios, at full length: `python -m tests.failover --scenario "silent standby" --seconds 60`.

Prints a table, and exits with 1 if anything happened that should not have.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.failover import conditions, hosts, restarts, standbys
from tests.failover.figures import Figures, table
from tests.failover.scenario import Scenario, play

SCENARIOS = {
    scenario.name: scenario for module in (standbys, hosts, conditions, restarts) for scenario in module.SCENARIOS
}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.failover", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=sorted(SCENARIOS), help="only these")
    parser.add_argument("--seconds", type=float, help="how long each fault lasts, or the load before and after it")
    parser.add_argument("--timeout", type=float, help="TENDON_DATABASE_TIMEOUT, in seconds")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> bool:
    """Whether everything was as it should be."""
    task = asyncio.current_task()
    assert task
    # So that all servers and mounts are removed.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    figures: list[Figures] = []
    failed: list[str] = []
    for name in arguments.scenario or SCENARIOS:
        _say(f"{name} ...")
        try:
            figures.append(await _play(SCENARIOS[name], arguments, failed))
        except pytest.skip.Exception as skipped:
            _say(f"{name}: SKIPPED: {skipped.msg}")
        except Exception as fault:  # noqa: BLE001 - the other scenarios go on
            failed.append(name)
            _say(f"{name} could not be completed: {fault!r}")
    _say(f"\n{table(figures)}\n\n{len(failed)} scenarios failed{': ' if failed else ''}{', '.join(failed)}")
    return not failed


async def _play(scenario: Scenario, arguments: argparse.Namespace, failed: list[str]) -> Figures:
    with tempfile.TemporaryDirectory(prefix="tendon-failover-") as folder:
        outcome = await play(scenario, Path(folder), seconds=arguments.seconds, database_timeout=arguments.timeout)
    if outcome.problems:
        failed.append(scenario.name)
        _say("\n".join(outcome.problems))
    return outcome.figures


def main() -> int:
    with suppress(asyncio.CancelledError, KeyboardInterrupt):
        return 0 if asyncio.run(_run(_arguments())) else 1
    return 130


if __name__ == "__main__":
    sys.exit(main())
