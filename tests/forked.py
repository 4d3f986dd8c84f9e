"""Commands of Tendon that start at once: forks of a process that has imported everything.

They are processes as those of `tests/processes.py` are, with arguments, environment, current directory, output, signals
and an exit status of their own. What belongs to the start of Python itself, such as a variable that the interpreter or
the linker reads, needs a process of that kind.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO

from tests.fork_server import NUMBER, SIZE

_TENDON = "tendon_cli"
_SERVICE = (
    _TENDON,
    *(f"gateway.commands.{command}" for command in ("migrate", "providers", "sandbox", "serve", "status")),
    *("gateway.bearer.jwt", "gateway.http11.raw_responses"),
    *("aiosqlite", "certifi", "uvicorn.lifespan.on", "uvicorn.loops.uvloop"),
    *("models.engine.postgres", "models.engine.sqlite", "sandbox.app", "sandbox.dialect"),
)
WORKER_OF_TESTS = "tests.worker.program"
# What only workers import takes as long as all the rest, and few tests have a worker.
_WORKER = (_TENDON, WORKER_OF_TESTS, "gateway.commands.worker", "models.engine.postgres", "models.engine.sqlite")


class Forked:
    """A command that runs, with the methods that it has as a `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], report: socket.socket) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self._report = report
        weakref.finalize(self, report.close)
        self._lock = Lock()
        self.pid = self._read()

    def poll(self) -> int | None:
        return self._status(within=0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._status(within=timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _status(self, within: float | None) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], within)[0]:
            with self._lock:
                # Another thread may have waited, too.
                if self.returncode is None:
                    self.returncode = self._read()
        return self.returncode

    def _read(self) -> int:
        number = self._report.recv(NUMBER)
        if not number:
            raise RuntimeError("the fork server has ended; it printed why")
        return int.from_bytes(number, signed=True)


class _ForkServer:
    def __init__(self, modules: Sequence[str]) -> None:
        self._lock = Lock()
        self._requests, theirs = socket.socketpair()
        with theirs:
            # The directory of the script has folders that are named as Tendon's packages are.
            program = Path(__file__).with_name("fork_server.py")
            command = [sys.executable, "-P", program, str(theirs.fileno()), *modules]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def start(
        self,
        program: str,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        out: IO[bytes],
        err: IO[bytes],
    ) -> Forked:
        given = {"program": program, "arguments": arguments}
        request = given | {"folder": str(cwd), "environment": dict(environment)}
        encoded = json.dumps(request).encode()
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            files = [out.fileno(), err.fileno(), theirs.fileno()]
            socket.send_fds(self._requests, [len(encoded).to_bytes(SIZE)], files)
            self._requests.sendall(encoded)
        return Forked(arguments, ours)

    def close(self) -> None:
        self._requests.close()
        self._process.wait()


@cache
def _server(modules: Sequence[str]) -> _ForkServer:
    """One of each kind for each process that runs tests, as long as it runs."""
    server = _ForkServer(modules)
    atexit.register(server.close)
    return server


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[bytes],
    program: str = _TENDON,
) -> Forked:
    """Start a command of Tendon, or another program that the fork server has."""
    works = program == WORKER_OF_TESTS or "worker" in arguments[:1]
    server = _server(_WORKER if works else _SERVICE)
    return server.start(program, arguments, cwd, env, stdout, stderr)


def run(arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of Tendon to its end."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        running = start(arguments, cwd=cwd, env=env, stdout=out, stderr=err)
        try:
            status = running.wait(60)
        finally:
            running.kill()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, status, out.read().decode(), err.read().decode())
