"""Several processes on one database: whoever has to wait for a lock waits, and nobody is turned away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

from tests.databases import Database

WRITER = Path(__file__).with_name("contending_writer.py")
PROCESSES, ROUNDS, USERS = 4, 50, 5


async def test_four_processes(own_database: Database) -> None:
    writers = [_writer(own_database.url, f"writer-{number}") for number in range(PROCESSES)]
    # Not before all are ready: they are to meet.
    assert [_stdout(writer).readline() for writer in writers] == ["ready\n"] * PROCESSES
    for writer in writers:
        _stdin(writer).write("go\n")
        _stdin(writer).flush()
    endings = [(writer.communicate(timeout=60)[1], writer.returncode) for writer in writers]
    assert endings == [("", 0)] * PROCESSES
    users = "SELECT count(*), count(DISTINCT user_id) FROM connection"
    assert await own_database.fetch(users) == [(USERS, USERS)]
    requests = "SELECT status, count(DISTINCT connection_id), count(*) FROM authorization_request GROUP BY status"
    assert await own_database.fetch(requests) == [("completed", USERS, PROCESSES * ROUNDS)]
    events = "SELECT count(*) FROM audit_event WHERE outcome = 'ok' GROUP BY action ORDER BY action"
    assert await own_database.fetch(events) == [(PROCESSES * ROUNDS,)] * 2
    # All of them used pseudonyms from their first statement on, under the single key that one of them made.
    assert await own_database.value("SELECT count(*) FROM audit_key") == 1
    subjects = "SELECT count(DISTINCT subject), count(DISTINCT actor) FROM audit_event"
    assert await own_database.fetch(subjects) == [(USERS, USERS)]
    assert await own_database.value("SELECT count(*) FROM audit_subject") == USERS
    if own_database.engine == "sqlite":
        assert await own_database.value("PRAGMA integrity_check") == "ok"


def _writer(url: str, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WRITER), url, name, str(ROUNDS)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def _stdin(writer: subprocess.Popen[str]) -> IO[str]:
    assert writer.stdin is not None
    return writer.stdin


def _stdout(writer: subprocess.Popen[str]) -> IO[str]:
    assert writer.stdout is not None
    return writer.stdout
