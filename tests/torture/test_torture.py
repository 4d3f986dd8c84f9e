"""A short run on each engine, and the proof that a run can fail."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.torture import clocks, trial
from tests.torture.checker import Violation, violations
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
        record = await trial.run(world, Plan(SEED, seconds=10, people=12))
    found = violations(record)
    assert not found, _report(record, found)
    _really_happened(record)


async def test_a_claim_that_reads_first_is_caught(tmp_path: Path) -> None:
    """The gateways' claim is replaced by one that reads, and writes then. The rest of the run is as above."""
    async with opened(tmp_path, Sqlite(tmp_path), gateways=2, broken=True) as world:
        record = await trial.run(world, Plan(SEED, seconds=3, people=8, calm=True))
    caught = [violation for violation in violations(record) if violation.rule == "I1 one exchange per code"]
    assert caught
    assert sum("the provider is asked" in event for event in caught[0].events) > 1


def test_a_clock_can_be_wrong() -> None:
    """What a run needs to set a gateway's clock, and without which it leaves all clocks right."""
    if clocks.library() is None:
        pytest.skip("libfaketime (Debian's package faketime) is not installed here: no gateway's clock was wrong")
    asked = [sys.executable, "-c", "import time; print(time.time())"]
    told = subprocess.run(asked, env=clocks.environment(300), capture_output=True, text=True, check=True)
    assert 290 < float(told.stdout) - time.time() <= 300


def _really_happened(record: Record) -> None:
    """A run that did nothing has found nothing."""
    summary = Summary()
    summary.add(record)
    assert summary.kills >= 2, summary
    assert summary.kills_in_mid_flight >= 1, summary
    assert summary.flows >= 25, summary
    assert summary.exchanges >= 20, summary
    assert summary.successes >= 20, summary
    assert any(kind.startswith("database") for kind in summary.disturbances), summary
    assert sum(summary.provider_faults.values()) >= 3, summary


def _report(record: Record, found: list[Violation]) -> str:
    summary = Summary()
    summary.add(record)
    return "\n\n".join([str(summary), *(str(violation) for violation in found)])
