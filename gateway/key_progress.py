"""Shows how far `tendon keys` is: in one line that changes on a terminal, else in the log."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final, TextIO

import structlog

from resolvers.resealing import Progress

log = structlog.get_logger("tendon")

# Seconds between two reports: on a terminal, and in the log.
_ON_TERMINAL: Final = 0.2
_IN_LOG: Final = 10.0
_CLEAR: Final = "\r\x1b[K"


class KeyProgress:
    """Reports at most now and then, the first time after one interval. `clock` gives seconds, as `monotonic` does."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._on_terminal = stream.isatty()
        self._interval = _ON_TERMINAL if self._on_terminal else _IN_LOG
        self._due = clock() + self._interval
        self._began: float | None = None
        self._written = False

    def report(self, progress: Progress) -> None:
        """While tables are searched, and values are resealed."""
        if progress.left is not None and self._began is None:
            self._began = self._clock()
        if not self._is_due():
            return
        if progress.left is None:
            self._show(f"reading {progress.table}: {progress.done:,} rows")
            return
        rate = round(progress.done / max(self._clock() - (self._began or 0), 0.001))
        if self._on_terminal:
            self._show(
                f"encrypting {progress.table}: {progress.done:,} values, {rate:,} a second, {progress.left:,} left"
            )
        else:
            log.info("keys.resealing", table=progress.table, values=progress.done, rate=rate, left=progress.left)

    def wait(self, seconds: float) -> None:
        """While other processes may still object to dropping a key."""
        if self._is_due():
            if self._on_terminal:
                self._show(f"waiting until no process uses the key any more: {seconds:.0f} s")
            else:
                log.info("keys.drop.waiting", seconds=round(seconds))

    def close(self) -> None:
        """Clears the line."""
        if self._written:
            print(_CLEAR, end="", file=self._stream, flush=True)

    def _is_due(self) -> bool:
        if self._clock() < self._due:
            return False
        self._due = self._clock() + self._interval
        return True

    def _show(self, text: str) -> None:
        if self._on_terminal:
            self._written = True
            print(f"{_CLEAR}{text}", end="", file=self._stream, flush=True)
