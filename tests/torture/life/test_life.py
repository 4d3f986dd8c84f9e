"""A short run on each engine, and the proof that a run can fail."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.torture.databases import Database, Postgres, Sqlite
from tests.torture.life import trial
from tests.torture.life.record import Record
from tests.torture.life.rules import RULES, violations
from tests.torture.life.summary import Summary
from tests.torture.life.trial import Plan
from tests.torture.life.world import opened

# Another seed draws other deeds; when they happen differs from run to run anyway.
SEED = "short"


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Database]:
    used = Sqlite(tmp_path) if request.param == "sqlite" else await Postgres.open()
    yield used
    await used.close()


async def test_the_promises_hold_under_torture(database: Database, tmp_path: Path) -> None:
    async with opened(tmp_path, database) as world:
        # On PostgreSQL, what a worker was killed at is started again after half a minute. `make torture` waits for it.
        plan = Plan(SEED, seconds=4, people=9, workers_die=isinstance(database, Sqlite), enough=_much_happened)
        record = await trial.run(world, plan)
    told = "\n\n".join([str(_summary(record)), *violations(record)])
    assert not violations(record), told
    # A run that did nothing has found nothing.
    assert _much_happened(record), told


async def test_a_lease_that_holds_nobody_back_is_caught(tmp_path: Path) -> None:
    """The gateways' lease is replaced by one that everybody gets. The rest of the run is as above, without a fault."""
    broken = "tests.torture.life.broken_lease"
    async with opened(tmp_path, Sqlite(tmp_path), workers=0, instead=broken) as world:
        record = await trial.run(world, Plan(SEED, seconds=1, people=9, calm=True, enough=_caught))
    assert _caught(record)


def _much_happened(record: Record) -> bool:
    summary = _summary(record)
    return summary.kills >= 3 and summary.struck >= 1 and summary.refreshes >= 15 and summary.disconnects >= 2


def _caught(record: Record) -> bool:
    return any(list(RULES[name](record)) for name in ("one refresh at a time", "losses are explained"))


def _summary(record: Record) -> Summary:
    summary = Summary()
    summary.add(record)
    return summary
