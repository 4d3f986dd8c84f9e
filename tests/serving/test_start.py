"""Starting when the service can't start, or under unusual conditions."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import environment, free_port, tendon
from tests.serving.conftest import Serve
from tests.serving.program import Program

SEVERAL = pytest.mark.parametrize("workers", [1, 2])


@SEVERAL
def test_an_address_in_use(serve: Serve, tmp_path: Path, settings: dict[str, str], workers: int) -> None:
    """It is logged, and no worker is started."""
    taken = serve()
    run = tendon(
        *("serve", "--workers", str(workers), "--port", str(taken.port)),
        cwd=tmp_path,
        settings=settings | {"TENDON_DATABASE_URL": f"sqlite://{tmp_path}/tendon.db", "TENDON_LOG_LEVEL": "INFO"},
        fresh=True,
    )
    assert run.returncode == 3
    told = next(line for line in run.stderr.splitlines() if "listening.failed" in line)
    assert "Address already in use" in told
    assert "127.0.0.1" in told
    assert str(taken.port) in told
    assert "worker.started" not in run.stderr
    assert "attempting to bind" not in run.stderr
    assert taken.stop() == 0


def test_an_address_that_another_process_takes_meanwhile(tmp_path: Path) -> None:
    """Both have bound it, and the other listens first."""
    before = """
rival = socket.socket()
rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
rival.bind(("127.0.0.1", port))
"""
    program = Program(tmp_path, free_port(), before=before, opening="rival.listen()")
    assert program.wait() == 3
    assert "listening.failed" in program.said
    assert "Address already in use" in program.said
    assert "Traceback" not in program.said


FAIL = 'raise RuntimeError("CANARY")'


@SEVERAL
def test_an_app_that_fails_to_start(tmp_path: Path, workers: int) -> None:
    """Workers are restarted with pauses before the parent gives up."""
    began = time.monotonic()
    program = Program(tmp_path, free_port(), workers, opening=FAIL)
    assert program.wait() == 3
    assert "CANARY" not in program.said
    if workers > 1:
        assert {line["status"] for line in program.logged("worker.ended")} == {3}
        assert 6 <= program.said.count("worker.started") <= 8
        assert "workers.failed" in program.said
        assert time.monotonic() - began > 1


def test_a_parent_that_inherits_an_ignored_sigchld(tmp_path: Path) -> None:
    program = Program(tmp_path, free_port(), 2, before="signal.signal(signal.SIGCHLD, signal.SIG_IGN)", opening=FAIL)
    assert program.wait() == 3
    assert program.said.count("worker.ended") >= 6


LIMITS = """
import resource
from gateway.overload.file_limit import connection_limit, raise_file_limit

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (400, {hard}))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
raise_file_limit()
print(connection_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("hard", "files", "allowed"), [(400, 400, 200), (2000, 2000, 1700)])
def test_the_file_limit_is_raised_once_and_then_only_read(tmp_path: Path, hard: int, files: int, allowed: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LIMITS.replace("{hard}", str(hard))],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.split() == ["400", str(allowed), str(files)]


@SEVERAL
def test_a_serving_process_may_open_enough_files(tmp_path: Path, workers: int) -> None:
    before = "resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))"
    opening = "print('files', resource.getrlimit(resource.RLIMIT_NOFILE)[0], flush=True); raise RuntimeError"
    program = Program(tmp_path, free_port(), workers, before=before, opening=opening)
    assert program.wait() == 3
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = 10_240 if hard == resource.RLIM_INFINITY else min(hard, 10_240)
    assert {int(files) for files in re.findall(r"^files (\d+)$", program.said, re.MULTILINE)} == {wanted}
