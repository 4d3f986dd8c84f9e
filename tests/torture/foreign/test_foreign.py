"""A short run with a provider that is not ours: connections are used, renewed and ended while processes are killed."""

from __future__ import annotations

from pathlib import Path

from tests.torture.databases import Sqlite
from tests.torture.foreign.provider import start
from tests.torture.life import trial
from tests.torture.life.record import Record
from tests.torture.life.rules import violations
from tests.torture.life.summary import Summary
from tests.torture.life.trial import Plan
from tests.torture.life.world import opened


async def test_the_promises_hold_with_a_foreign_provider(tmp_path: Path) -> None:
    """On one engine: the provider makes no difference to the other one. `make torture` has both."""
    async with opened(tmp_path, Sqlite(tmp_path), start=start) as world:
        record = await trial.run(world, Plan("short", seconds=4, people=9, enough=_much_happened))
    told = "\n\n".join([str(_summary(record)), *violations(record)])
    assert not violations(record), told
    # A run that did nothing has found nothing.
    assert _much_happened(record), told


def _much_happened(record: Record) -> bool:
    summary = _summary(record)
    return summary.kills >= 3 and summary.struck >= 1 and summary.refreshes >= 15 and summary.disconnects >= 2


def _summary(record: Record) -> Summary:
    summary = Summary()
    summary.add(record)
    return summary
