"""A time limit on the other side of a connection, which is never missed for what has come and was not read yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

# Seconds after the time is over in which the event loop looks at its sockets once more, at least.
SECOND_LOOK: Final = 0.02


class Deadline:
    """Calls `missed` when the time is over.

    A process may stand still: stopped, swapped out, or on a machine that is. What came meanwhile lies in the socket,
    and the timer may run before it is read. So the sockets are read once more before anybody is judged, and a timer
    that ran late gives as much time again, up to as much as there was.
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
        """From now on. A time that ran before no longer counts."""
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
