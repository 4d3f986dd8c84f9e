"""Several processes on one SQLite file: whoever has to wait for the write lock waits, and nobody is turned away."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import IO

from models.database import migrate

WRITER = Path(__file__).with_name("contending_writer.py")
PROCESSES, ROUNDS, USERS = 4, 50, 5


def test_four_processes(tmp_path: Path) -> None:
    asyncio.run(migrate(f"sqlite://{tmp_path}/tendon.db"))
    writers = [_writer(f"sqlite://{tmp_path}/tendon.db", f"writer-{number}") for number in range(PROCESSES)]
    # Not before all are ready: they are to meet.
    assert [_stdout(writer).readline() for writer in writers] == ["ready\n"] * PROCESSES
    for writer in writers:
        _stdin(writer).write("go\n")
        _stdin(writer).flush()
    endings = [(writer.communicate(timeout=60)[1], writer.returncode) for writer in writers]
    assert endings == [("", 0)] * PROCESSES
    with closing(sqlite3.connect(tmp_path / "tendon.db")) as database:
        assert database.execute("SELECT count(*), count(DISTINCT user_id) FROM connection").fetchone() == (USERS, USERS)
        requests = "SELECT status, count(DISTINCT connection_id), count(*) FROM authorization_request GROUP BY status"
        assert database.execute(requests).fetchall() == [("completed", USERS, PROCESSES * ROUNDS)]
        events = "SELECT count(*) FROM audit_event WHERE outcome = 'ok' GROUP BY action ORDER BY action"
        assert database.execute(events).fetchall() == [(PROCESSES * ROUNDS,)] * 2
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


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
