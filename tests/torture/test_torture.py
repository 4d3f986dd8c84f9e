"""A short run on each engine, and the proof that a run can fail."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

import pytest

from tests.torture import clocks, trial
from tests.torture.checker import RULES, Violation, violations
from tests.torture.databases import Database, Postgres, Sqlite
from tests.torture.record import Record
from tests.torture.summary import Summary
from tests.torture.trial import Plan
from tests.torture.world import opened

# Another seed draws other deeds; when they happen differs from run to run anyway.
SEED = "short"


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Database]:
    used = Sqlite(tmp_path) if request.param == "sqlite" else await Postgres.open()
    yield used
    await used.close()


async def test_the_promises_hold_under_torture(database: Database, tmp_path: Path) -> None:
    async with opened(tmp_path, database) as world:
        record = await trial.run(world, Plan(SEED, seconds=6, people=12, enough=_much_happened))
    found = violations(record)
    assert not found, _report(record, found)
    # A run that did nothing has found nothing.
    assert _much_happened(record), _report(record, found)


async def test_a_claim_that_reads_first_is_caught(tmp_path: Path) -> None:
    """The gateways' claim is replaced by one that reads, and writes then. The rest of the run is as above."""
    async with opened(tmp_path, Sqlite(tmp_path), gateways=2, broken=True) as world:
        record = await trial.run(world, Plan(SEED, seconds=1, people=8, calm=True, enough=_caught))
    caught = _caught(record)
    assert caught
    assert sum("the provider is asked" in str(event) for event in caught[0][1]) > 1


def test_a_clock_can_be_wrong() -> None:
    """What a run needs to set a gateway's clock, and without which it leaves all clocks right."""
    if clocks.library() is None:
        pytest.skip("libfaketime (Debian's package faketime) is not installed here: no gateway's clock was wrong")
    asked = [sys.executable, "-c", "import time; print(time.time())"]
    told = subprocess.run(asked, env=clocks.environment(300), capture_output=True, text=True, check=True)
    assert 290 < float(told.stdout) - time.time() <= 300


def _much_happened(record: Record) -> bool:
    summary = Summary()
    summary.add(record)
    return (
        summary.kills >= 3
        and summary.kills_in_mid_flight >= 1
        and summary.flows >= 25
        and summary.exchanges >= 20
        and summary.successes >= 20
        and any(kind.startswith("database") for kind in summary.disturbances)
        and sum(summary.provider_faults.values()) >= 3
    )


def _caught(record: Record) -> list[tuple[str, Iterable[object]]]:
    return list(RULES["I1 one exchange per code"](record))


def _report(record: Record, found: list[Violation]) -> str:
    summary = Summary()
    summary.add(record)
    return "\n\n".join([str(summary), *(str(violation) for violation in found)])
