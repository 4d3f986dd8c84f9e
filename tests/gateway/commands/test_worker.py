"""`tendon worker`: how it starts and stops, and what `tendon status` says of it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import pickle
import re
import signal
import subprocess
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.databases import Database
from tests.processes import TENDON, environment, log_lines, tendon
from tests.vault_keys import vault_key
from tests.waiting import until

SETTINGS = {"TENDON_AUTH": "dev", "TENDON_SANDBOX": "0", "TENDON_VAULT_KEYS": vault_key("k1")}
LONG_AGO = "2020-01-01 00:00:00.000000+00:00"
Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start]:
    """Starts it on a database's URL. It logs to the file `log`."""
    started: list[subprocess.Popen[bytes]] = []

    def start_worker(url: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            own = environment(**SETTINGS, TENDON_DATABASE_URL=url)
            started.append(
                subprocess.Popen(
                    [TENDON, "worker", "--until-eof"], cwd=tmp_path, env=own, stdin=subprocess.PIPE, stderr=log
                )
            )
        return started[-1]

    yield start_worker
    for process in started:
        process.kill()
        with suppress(OSError):
            process.communicate()


async def logged(folder: Path, event: str) -> None:
    await until(lambda: event in (folder / "log").read_text(encoding="utf-8"), f"{event} in the log")


async def workers(url: str, folder: Path) -> int:
    run = await asyncio.to_thread(
        tendon, "status", "--json", cwd=folder, settings=SETTINGS | {"TENDON_DATABASE_URL": url}
    )
    return json.loads(run.stdout)["workers"]


async def test_it_runs_until_a_signal(own_database: Database, tmp_path: Path, start: Start) -> None:
    assert await workers(own_database.url, tmp_path) == 0
    process = start(own_database.url)
    await logged(tmp_path, "work.ready")
    assert await workers(own_database.url, tmp_path) == 1
    os.kill(process.pid, signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 60) == 0
    assert await workers(own_database.url, tmp_path) == 0


@pytest.mark.parametrize("own_database", ["sqlite"], indirect=True)
async def test_it_runs_until_its_input_ends(own_database: Database, tmp_path: Path, start: Start) -> None:
    process = start(own_database.url)
    await logged(tmp_path, "work.ready")
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.to_thread(process.wait, 60) == 0


@pytest.mark.parametrize("own_database", ["sqlite"], indirect=True)
async def test_it_clears_what_has_expired(own_database: Database, tmp_path: Path, start: Start) -> None:
    await own_database.fetch(
        "INSERT INTO ended_request (user_id, state_hash, ended_at) VALUES ('u', $1, $2)",
        b"k",
        LONG_AGO,
    )
    start(own_database.url)

    async def is_cleared() -> bool:
        return await own_database.value("SELECT count(*) FROM ended_request") == 0

    await until(is_cleared, "the row to be deleted")


def test_it_needs_a_migrated_database(empty_database: Database, tmp_path: Path) -> None:
    if empty_database.engine == "sqlite":
        Path(empty_database.url.removeprefix("sqlite://")).touch(0o600)
    run = tendon("worker", cwd=tmp_path, settings=SETTINGS | {"TENDON_DATABASE_URL": empty_database.url})
    assert run.returncode == 2
    assert "run `tendon migrate`" in run.stderr


@pytest.mark.parametrize("own_database", ["sqlite"], indirect=True)
async def test_work_that_is_late_needs_attention(own_database: Database, tmp_path: Path) -> None:
    await own_database.fetch(
        """
        INSERT INTO revocation (id, ended_version, provider, subject, status, due_at, created_at)
        VALUES ($1, 1, 'oura', 's', 'pending', $2, $3)""",
        "0190f0f0-0000-7000-8000-000000000000",
        LONG_AGO,
        LONG_AGO,
    )
    run = await asyncio.to_thread(
        tendon, "status", cwd=tmp_path, settings=SETTINGS | {"TENDON_DATABASE_URL": own_database.url}
    )
    assert run.returncode == 1
    assert "work on the table revocation is late: 1 due, the oldest for" in run.stdout
    assert "No worker runs, so start `tendon worker`" in run.stdout


@pytest.mark.parametrize("own_database", ["postgres"], indirect=True)
async def test_its_engine_loads_no_pickle(own_database: Database, tmp_path: Path, start: Start) -> None:
    """Whoever can write to the engine's tables can't run code in the worker."""
    process = start(own_database.url)
    await logged(tmp_path, "work.ready")
    await own_database.fetch(
        """
        INSERT INTO tendon_worker.workflow_status
            (workflow_uuid, status, name, queue_name, queue_partition_key, priority, application_version, created_at,
            updated_at, recovery_attempts, owner_xid, serialization, application_name)
        VALUES ('planted', 'ENQUEUED', 'unit', 'work', 'test:', 0, '1', 0, 0, 0, 'x', 'py_pickle', 'tendon')"""
    )
    into = "INSERT INTO tendon_worker.workflow_input (workflow_uuid, inputs, retention_timestamp)"
    await own_database.fetch(f"{into} VALUES ('planted', $1, 0)", planted(tmp_path / "proof"))
    status = "SELECT status FROM tendon_worker.workflow_status WHERE workflow_uuid = 'planted'"

    async def is_refused() -> bool:
        return await own_database.value(status) == "ERROR"

    await until(is_refused, "the engine to refuse it")
    assert not (tmp_path / "proof").exists()
    assert process.poll() is None


@pytest.mark.parametrize("own_database", ["postgres"], indirect=True)
async def test_a_row_of_its_engine_that_somebody_edited_is_a_line_in_the_log(
    own_database: Database, tmp_path: Path, start: Start
) -> None:
    process = start(own_database.url)
    await logged(tmp_path, "work.ready")
    os.kill(process.pid, signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 60) == 0
    await own_database.fetch(
        """
        INSERT INTO tendon_worker.workflow_schedules
            (schedule_id, schedule_name, workflow_name, schedule, status, context)
        VALUES ('x', 'x', 'x', '* * * * * *', 'ACTIVE', 'CANARY')"""
    )
    process = start(own_database.url)
    await logged(tmp_path, "JSONDecodeError")
    assert process.poll() is None
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert any(line["error"].startswith("JSONDecodeError") and line["frames"] for line in log_lines(log, "fault"))
    assert not re.search("Traceback|CANARY", log)


def planted(proof: Path) -> str:
    """A pickle, as the engine reads it, that creates a file."""

    class Plant:
        def __reduce__(self) -> tuple[object, ...]:
            return (open, (str(proof), "w"))

    return base64.b64encode(pickle.dumps(Plant())).decode()
