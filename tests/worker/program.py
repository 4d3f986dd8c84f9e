"""A worker with a kind of work for tests: rows of a table `test_work`. `python -m tests.worker.program` runs it.

TEST_WORK has what `Plan` has, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway import logs
from gateway.resources import configure, open_resources
from gateway.settings import read_environment, read_settings
from models.engine import parse_url
from models.statement import Statement
from resolvers.context import Context
from resolvers.due_work import DueWork
from worker.kinds import Kind
from worker.ticker import Pace
from worker.unpickling import refuse_pickles
from worker.worker import Worker

TABLE: Final = """
CREATE TABLE test_work (id text PRIMARY KEY, provider text, attempts int NOT NULL DEFAULT 0, owner text,
    lease_until timestamptz, done int NOT NULL DEFAULT 0)"""

_FREE: Final = "(lease_until IS NULL OR lease_until <= now())"
_DUE: Final = Statement(
    f"SELECT id, attempts, provider FROM test_work WHERE done = 0 AND {_FREE} ORDER BY id LIMIT :most"
)
_TAKE: Final = Statement(
    f"""
    UPDATE test_work SET attempts = attempts + 1, owner = :owner, lease_until = after(:lease)
    WHERE id = :id AND done = 0 AND {_FREE} RETURNING attempts, provider"""
)
_END: Final = Statement("UPDATE test_work SET done = 1 WHERE id = :id AND owner = :owner RETURNING id")
_RELEASE: Final = Statement(
    "UPDATE test_work SET lease_until = NULL, owner = NULL WHERE id = :id AND owner = :owner RETURNING id"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`journal` is a file with a line for what each unit does. A unit takes `seconds`, if its provider is among `slow`
    or there are none. The first `failures` attempts fail, before they take the lease. The others are as for Worker."""

    journal: str
    seconds: float = 0
    slow: Sequence[str] = ()
    lease: float = 60
    failures: int = 0
    tick: float = 0.1
    again: float = 60
    grace: float = 30
    slots: int = 20


class TestWork:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._failures = 0
        self._owner = str(os.getpid())

    async def due(self, context: Context, most: int) -> Sequence[DueWork]:
        rows = await _DUE.rows(context.resources.database, most=most)
        return [DueWork(id_, str(attempts), provider) for id_, attempts, provider in rows]

    async def run(self, context: Context, id_: str) -> None:
        if self._failures < self._plan.failures:
            self._failures += 1
            self._note("failed", id_)
            raise RuntimeError("CANARY-5e1f")
        database = context.resources.database
        taken = await _TAKE.row(database, id=id_, owner=self._owner, lease=self._plan.lease)
        if taken is None:
            self._note("refused", id_)
            return
        self._note("began", id_)
        try:
            if not self._plan.slow or taken[1] in self._plan.slow:
                await asyncio.sleep(self._plan.seconds)
        except asyncio.CancelledError:
            self._note("cancelled", id_)
            await _RELEASE.row(database, id=id_, owner=self._owner)
            raise
        if await _END.row(database, id=id_, owner=self._owner):
            self._note("ended", id_)

    def _note(self, what: str, id_: str) -> None:
        file = os.open(self._plan.journal, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.write(file, f"{what} {id_} {self._owner}\n".encode())
        os.close(file)


async def work(plan: Plan) -> int:
    settings = read_settings()
    logs.set_up("DEBUG")
    kind = TestWork(plan)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_resources(configure(settings, read_environment())) as resources:
        worker = Worker(
            resources,
            parse_url(settings.database_url),
            seconds=settings.database_timeout,
            grace=plan.grace,
            slots=plan.slots,
            kinds=[Kind("test", kind.due, kind.run)],
            pace=Pace(tick=plan.tick, again=plan.again),
        )
        return await worker.run(stop)


def main() -> None:
    refuse_pickles()
    cancelled = asyncio.run(work(Plan(**json.loads(os.environ["TEST_WORK"]))))
    sys.stderr.flush()
    # As `tendon worker` ends.
    os._exit(1 if cancelled else 0)


def journal(path: Path) -> list[tuple[str, str, str]]:
    """What was done, with the id of the work and of the process."""
    if not path.exists():
        return []
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [(what, id_, pid) for what, id_, pid in lines]


if __name__ == "__main__":
    main()
