"""A time limit on the peer of a connection. Data that arrived in time counts, even if it has not been read yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

# Minimum seconds after the limit in which the event loop polls its sockets once more.
SECOND_LOOK: Final = 0.02


class Deadline:
    """Calls `missed` when the time is over.

    A process may be suspended: stopped, swapped out, or on a machine that is. Data received meanwhile stays in the
    socket buffer, and the timer may run before it is read. So the event loop polls its sockets once more before
    `missed` is called, and a timer that ran late is extended by the delay, at most by its own length.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, missed: Callable[[], None]) -> None:
        self._loop = loop
        self._missed = missed
        self._seconds = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        return self._timer is not None

    def start(self, seconds: float) -> None:
        """Start counting now, in place of any limit that is still running."""
        self.stop()
        self._seconds = seconds
        self._timer = self._loop.call_later(seconds, self._over, self._loop.time() + seconds)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self, due: float) -> None:
        late = self._loop.time() - due
        self._timer = self._loop.call_later(max(min(late, self._seconds), SECOND_LOOK), self._judge)

    def _judge(self) -> None:
        self._timer = None
        self._missed()
