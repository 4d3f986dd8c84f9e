"""The processes of a run: gateways and workers that are killed and started again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tests.processes import TENDON, Process
from tests.torture.history import History
from tests.torture.life.record import KILL, RESTART

_ROOT = Path(__file__).parents[3]
_TRIES = 40


class Member(Process):
    """Starts when it is made. `instead` is a module that takes the place of `tendon`, to show that a run can fail."""

    def __init__(
        self, name: str, command: str, folder: Path, settings: Mapping[str, str], instead: str | None = None
    ) -> None:
        self.name = name
        self._instead = instead
        python = {"PYTHONPATH": str(_ROOT)} if instead else {}
        super().__init__(command, folder=folder / name, settings=dict(settings) | python, awaited=False)

    def revive(self) -> None:
        for _ in range(_TRIES):
            try:
                self.start()
            except RuntimeError:
                continue
            return
        raise RuntimeError(f"{self.name} can't be started again:\n{self.said[-2000:]}")

    def die(self, history: History) -> None:
        """kill -9, and start again. Blocks until it listens."""
        with history.disturbance(KILL, self.name):
            self.kill()
        with history.disturbance(RESTART, self.name):
            self.revive()

    def await_start(self) -> None:
        self._wait()

    def _open(self, own: dict[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        if self._instead and self._command[0] == str(TENDON):
            self._command = [sys.executable, "-m", self._instead, *self._command[1:]]
        return super()._open(own, log)  # type: ignore[return-value]


class Worker(Member):
    """`tendon worker`, which doesn't listen."""

    def __init__(self, name: str, folder: Path, settings: Mapping[str, str]) -> None:
        super().__init__(name, "worker", folder, settings)

    def start(self, *, awaited: bool = True) -> None:
        self._command = [str(TENDON), "worker"]
        super().start(awaited=False)

    def await_start(self) -> None:
        """What is due waits for it; nobody else does."""
