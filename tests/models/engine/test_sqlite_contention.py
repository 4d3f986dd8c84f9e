"""Several processes on one database: whoever has to wait for a lock waits, and nobody is turned away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.databases import Database

WRITERS = Path(__file__).with_name("contending_writers.py")
PROCESSES, ROUNDS, USERS = 4, 50, 5


async def test_four_processes(own_database: Database) -> None:
    command = [sys.executable, WRITERS, own_database.url, str(PROCESSES), str(ROUNDS)]
    written = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=100, check=False)
    assert (written.stderr, written.returncode) == ("", 0)
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
