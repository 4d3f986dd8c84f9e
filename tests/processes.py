"""Tendon as an operator runs it: real processes on loopback ports, with real database files."""

from __future__ import annotations

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

TENDON = Path(sys.executable).with_name("tendon")
_STARTING = 30


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
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TENDON_", "SANDBOX_"))}
    return inherited | settings


def tendon(*arguments: str, cwd: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of Tendon to its end."""
    return subprocess.run(
        [TENDON, *arguments],
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Process:
    """A command of Tendon that serves on `port` until it is stopped. All it says goes to the file `log`.

    It is `awaited` until it listens."""

    def __init__(
        self,
        command: str,
        *arguments: str,
        folder: Path,
        settings: Mapping[str, str],
        port: int = 0,
        awaited: bool = True,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{command}.log"
        self._command = [str(TENDON), command, "--port", str(self.port), *arguments]
        self._settings = dict(settings)
        self.start(awaited=awaited)

    def start(self, *, awaited: bool = True) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, env=environment(**self._settings), stdout=log, stderr=log
            )
        if awaited:
            self._wait()

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
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

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
