"""The scenarios that find most, as short as they can be. `make failover` runs all of them at full length."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.failover.__main__ import SCENARIOS
from tests.failover.scenario import play

# Seconds that the fault or the load lasts, and the database's time-out where callers wait for it.
SHORT = {
    "asynchronous failover": (0, None),
    "failover while the standby is silent": (3, 1),
    "crash and restart": (0, None),
    "vanished host": (0, 1),
    "failover with several hosts": (0, None),
    "failover behind PgBouncer": (0, None),
    "limit of the server's sessions": (0, None),
    "full disk": (0, None),
}


@pytest.mark.parametrize("name", SHORT)
async def test_a_scenario(name: str, tmp_path: Path) -> None:
    seconds, database_timeout = SHORT[name]
    outcome = await play(SCENARIOS[name], tmp_path, seconds=seconds, database_timeout=database_timeout)
    assert outcome.problems == [], "\n\n".join(outcome.problems)
