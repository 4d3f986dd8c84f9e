"""Workers that a test may stop, kill and cut off."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.databases import Database
from tests.house.test_house import ROOT
from tests.processes import environment
from tests.vault_keys import vault_key
from tests.waiting import until
from tests.worker.program import TABLE, Plan, journal

StartWorker = Callable[..., "RunningWorker"]


class RunningWorker:
    """A process of its own. `folder` has its log and the journal, which all workers of a test share."""

    def __init__(self, folder: Path, url: str, plan: Plan) -> None:
        self._log = folder / "worker.log"
        settings = {
            "TENDON_AUTH": "dev",
            "TENDON_SANDBOX": "0",
            "TENDON_DATABASE_URL": url,
            "TENDON_DATABASE_TIMEOUT": "2",
            "TENDON_VAULT_KEYS": vault_key("k1"),
            "TEST_WORK": json.dumps(asdict(plan)),
        }
        # Its log begins where that of an earlier worker ended.
        self._offset = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            own = environment(**settings)
            self.process = forked.start([], cwd=ROOT, env=own, stdout=log, stderr=log, program=forked.WORKER_OF_TESTS)

    @property
    def pid(self) -> str:
        return str(self.process.pid)

    @property
    def said(self) -> str:
        return self._log.read_bytes()[self._offset :].decode()

    async def logs(self, event: str) -> None:
        await until(lambda: event in self.said or self._fail_if_ended(event), f"{event} in the log")

    def _fail_if_ended(self, event: str) -> bool:
        assert self.process.poll() is None, f"the worker ended before {event}:\n{self.said}"
        return False

    def kill(self) -> None:
        """As a crash does it."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As an operator does it. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


class Work:
    """The rows of the test's kind of work, and what was done about them."""

    def __init__(self, database: Database, file: Path) -> None:
        self.database = database
        self.file = file

    async def add(self, *ids: str, provider: str | None = None) -> None:
        for id_ in ids:
            await self.database.fetch("INSERT INTO test_work (id, provider) VALUES ($1, $2)", id_, provider)

    async def undone(self) -> int:
        return await self.database.value("SELECT count(*) FROM test_work WHERE done = 0")

    async def is_done(self) -> None:
        async def none_left() -> bool:
            return await self.undone() == 0

        await until(none_left, "all work to be done")

    def ids(self, what: str) -> list[str]:
        """What was done: `began`, `ended`, `refused`, `failed` or `cancelled`."""
        return [id_ for found, id_, _ in journal(self.file) if found == what]

    def workers(self, what: str) -> set[str]:
        return {pid for found, _, pid in journal(self.file) if found == what}

    async def seen(self, what: str, count: int = 1) -> None:
        await until(lambda: len(self.ids(what)) >= count, f"{what} {count} times")


@pytest.fixture
async def work(own_database: Database, tmp_path: Path) -> Work:
    await own_database.fetch(TABLE)
    return Work(own_database, tmp_path / "journal")


@pytest.fixture
def start_worker(tmp_path: Path) -> Generator[StartWorker]:
    """Starts a worker of the test's kind of work on a database's URL."""
    started: list[RunningWorker] = []

    def start(url: str, **plan: Any) -> RunningWorker:
        folder = tmp_path / f"worker-{len(started)}"
        folder.mkdir()
        worker = RunningWorker(folder, url, Plan(journal=str(tmp_path / "journal"), **plan))
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
