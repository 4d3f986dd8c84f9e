"""Tendon as an operator runs it: real processes on loopback ports, with real database files.

A command is forked from a process that has imported Tendon already, unless a test wants a `fresh` one, or gives it a
setting that the interpreter or the loader reads.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from random import Random
from typing import IO, Any

from tests import forked

TENDON = Path(sys.executable).with_name("tendon")
_STARTING = 30
_READ_BEFORE_TENDON = ("PYTHON", "LD_")


def _ports() -> Iterator[int]:
    """Below those that the system gives to connections that go out, and none that another worker of the run has."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 10_000 + worker % 10 * 2_000
    # Another run on this machine has another order.
    return cycle(Random().sample(range(first, first + 2_000), 2_000))


_PORTS = _ports()


def free_port() -> int:
    """One that nobody has now, and that is given to nobody else before long."""
    while True:
        port = next(_PORTS)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without any settings of a developer, and with these."""
    developers = ("TENDON_", "SANDBOX_", "PYTHONUNBUFFERED")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(developers)}
    # A worker takes as long to start as the gateway does. Few tests need one.
    return inherited | {"TENDON_WORKER": "0"} | settings


def tendon(
    *arguments: str, cwd: Path, settings: Mapping[str, str], fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command of Tendon to its end."""
    own = environment(**settings)
    if not _forks(settings, fresh):
        return subprocess.run(
            [TENDON, *arguments], cwd=cwd, env=own, capture_output=True, text=True, timeout=60, check=False
        )
    return forked.run(arguments, cwd=cwd, env=own)


def _forks(settings: Mapping[str, str], fresh: bool) -> bool:
    return not fresh and not any(name.startswith(_READ_BEFORE_TENDON) for name in settings)


def log_lines(output: str, event: str | None = None) -> list[dict[str, Any]]:
    """The log lines with this event, or all of them. What a command prints may surround them."""
    lines = [line for line in output.splitlines() if line.startswith('{"timestamp":') and line.endswith("}")]
    return [found for line in lines if (found := json.loads(line))["event"] == (event or found["event"])]


class Process:
    """A command of Tendon that serves on `port` until it is stopped. Its output goes to the file `log`.

    It is `awaited` until it listens."""

    def __init__(
        self,
        command: str,
        *arguments: str,
        folder: Path,
        settings: Mapping[str, str],
        port: int = 0,
        awaited: bool = True,
        fresh: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{command}.log"
        self._command = [str(TENDON), command, "--port", str(self.port), *arguments]
        self._settings = dict(settings)
        self._fresh = fresh
        self.start(awaited=awaited)

    def start(self, *, awaited: bool = True) -> None:
        with self.log.open("ab") as log:
            self._process = self._open(environment(**self._settings), log)
        if awaited:
            self._wait()

    def _open(self, own: dict[str, str], log: IO[bytes]) -> forked.Forked | subprocess.Popen[bytes]:
        if self._command[0] == str(TENDON) and _forks(self._settings, self._fresh):
            return forked.start(self._command[1:], cwd=self.folder, env=own, stdout=log, stderr=log)
        return subprocess.Popen(self._command, cwd=self.folder, env=own, stdout=log, stderr=log)

    def kill(self) -> None:
        """As a crash does it."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """As an operator does it. Returns the exit status."""
        self.tell(signal.SIGTERM)
        return self.wait()

    def tell(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Returns the exit status."""
        return self._process.wait(timeout=40)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def cpu_ms(self) -> float:
        """What the thread that serves has used of a processor, in milliseconds, up to when it last slept."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e6

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def logged(self, event: str | None = None) -> list[dict[str, Any]]:
        return log_lines(self.said, event)

    def _wait(self) -> None:
        end = time.monotonic() + _STARTING
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._command} ended:\n{self.said}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{self._command} does not listen:\n{self.said}")
