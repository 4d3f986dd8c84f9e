"""One gateway of a run: a process that is killed, frozen and started again, and whose clock can be wrong."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.processes import TENDON, Process
from tests.torture import clocks

_BROKEN_CLAIM = [sys.executable, "-m", "tests.torture.broken_claim"]
_ROOT = Path(__file__).parents[2]
_TRIES = 40


class Entrance(Protocol):
    """What callers send to. `called` is set whenever that is a callback."""

    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def called(self) -> asyncio.Event: ...


class Gateway(Process):
    """Starts when it is made; `await_start` waits until it listens.

    `called` is set whenever a callback is sent to it, for those who wait for a moment that hurts. `broken` is for
    showing that a run can fail.
    """

    def __init__(
        self, name: str, folder: Path, settings: Mapping[str, str], *, workers: int = 1, broken: bool = False
    ) -> None:
        self.name = name
        self.called = asyncio.Event()
        self.ahead = 0
        self._truth = dict(settings) | ({"PYTHONPATH": str(_ROOT)} if broken else {})
        self._launcher = _BROKEN_CLAIM if broken else [str(TENDON)]
        arguments = ("--workers", str(workers))
        super().__init__("serve", *arguments, folder=folder / name, settings=self._truth, awaited=False)

    def await_start(self) -> None:
        super()._wait()

    def revive(self, ahead: int = 0) -> None:
        """Start it again, with a clock that is so many seconds `ahead`. It may refuse to while its database is away, so
        this may take a few tries."""
        self.ahead = ahead
        self._settings = self._truth | clocks.environment(ahead)
        for _ in range(_TRIES):
            try:
                self.start()
            except RuntimeError:
                continue
            return
        raise RuntimeError(f"{self.name} can't be started again:\n{self.said[-2000:]}")

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def start(self, *, awaited: bool = True) -> None:
        self._command = [*self._launcher, *self._command[self._command.index("serve") :]]
        super().start(awaited=awaited)
