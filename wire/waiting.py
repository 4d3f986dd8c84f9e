"""Waiting for a client or another system: for how long, and what may run meanwhile.

Data that arrives within a time limit counts, even if it has not been read yet. A process may be suspended: stopped,
swapped out, or on a machine that is. Data that arrives meanwhile stays in the socket's buffer, and a timer may fire
before it is read. So the event loop polls its sockets once more before a limit expires, and a timer that fires late is
extended by the delay, at most by its own length.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Self

# Minimum seconds after the limit in which the event loop polls its sockets once more.
SECOND_LOOK: Final = 0.02

# A timer that runs late by more than this part of its time, and by more than this many seconds, says that the process
# stood still. On a busy machine any timer may be some tens of milliseconds late.
_STANDSTILL: Final = 0.1
_STANDSTILL_SECONDS: Final = 0.25


class Deadline:
    """Calls `missed` when the time is over."""

    def __init__(self, loop: asyncio.AbstractEventLoop, missed: Callable[[], None]) -> None:
        self._loop = loop
        self._missed = missed
        self._seconds = 0.0
        self._late = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.runs = False

    @property
    def stood_still(self) -> bool:
        """Whether the time is over and the process stood still when it ended."""
        return self._late > max(self._seconds * _STANDSTILL, _STANDSTILL_SECONDS)

    def start(self, seconds: float, *, latest: float = math.inf) -> None:
        """Start counting now, in place of any limit that is still running. A late timer is not extended beyond
        `latest`, a time of the loop; the sockets are polled once more in any case."""
        self.stop()
        self.runs = True
        self._late = 0.0
        self._timer = self._loop.call_later(seconds, self._over, self._loop.time() + seconds, seconds, latest)

    def stop(self) -> None:
        self.runs = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self, due: float, seconds: float, latest: float) -> None:
        now = self._loop.time()
        self._seconds, self._late = seconds, now - due
        granted = min(self._late, seconds, latest - now)
        self._timer = self._loop.call_later(max(granted, SECOND_LOOK), self._judge)

    def _judge(self) -> None:
        self.runs = False
        self._timer = None
        self._missed()


class Timeout:
    """`asyncio.timeout_at` with a Deadline's second look. `when` and `latest` are times of the running loop; None for
    `when` sets no limit.

    It cancels by itself, as asyncio's does: one inside the other takes twice the time, for each callback.
    """

    def __init__(self, when: float | None, *, latest: float = math.inf) -> None:
        self._when = when
        self._latest = latest
        self._expired = False

    @property
    def stood_still(self) -> bool:
        """Whether it expired because the process stood still, which says nothing about the peer."""
        return self._expired and self._deadline.stood_still

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self._task = task
        self._cancelling = task.cancelling()
        loop = asyncio.get_running_loop()
        self._deadline = Deadline(loop, self._expire)
        if self._when is not None:
            self._deadline.start(self._when - loop.time(), latest=self._latest)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadline.stop()
        # Another cancellation of the task must not be lost.
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()


class Slots:
    """A number of slots, which are waited for in turn, as with asyncio's Semaphore."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._queue: deque[asyncio.Future[None]] = deque()

    def acquire_now(self) -> bool:
        """Acquires a slot if one is free, and returns whether it did."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def acquire(self) -> None:
        """Waits in the queue unless a slot is free."""
        if self.acquire_now():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):
                    self._queue.remove(turn)
            else:
                # It was given a slot at the same moment.
                self.release()
            raise

    def release(self) -> None:
        """The slot goes to the first in the queue, so none is free while anyone waits."""
        while self._queue:
            turn = self._queue.popleft()
            # One that was cancelled a moment ago may still be in the queue.
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


release_slot: ContextVar[Callable[[], AbstractContextManager[None]]] = ContextVar("release_slot", default=nullcontext)
"""Returns a context manager that releases the slot of the current request until its block ends. Nested blocks release
the slot once. A server that limits how many requests it processes at a time sets it for each request, and tasks that a
request starts inherit it."""


def waiting() -> AbstractContextManager[None]:
    """For the `with` statement around code that waits for another system, or for the result of another request."""
    return release_slot.get()()
