"""The clock of the running event loop, held by a test: timers fire when the test says so, on a busy machine too.

Nothing is slower or faster meanwhile: sockets, threads and databases work as ever. Only the loop's own time, which
timers and time limits go by, is the test's. It never goes back, as other tests go on in the same loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, Final

# Far above what anything takes that a test waits for without the loop's time.
_PATIENCE: Final = 60
# Seconds.
_PAUSE: Final = 0.0005
# Steps of the loop in which whatever is ready can go as far as it goes.
_TURNS: Final = 20


class LoopClock:
    """Stands still, except for `advance` and `jump`. It waits while `busy` says that something is at work whose end
    does not depend on the loop's time, such as a database."""

    def __init__(self, now: float, busy: Callable[[], Any]) -> None:
        self.now = now
        self._busy = busy

    async def advance(self, seconds: float, *, step: float = 0.05) -> None:
        """Let so many seconds pass in small steps, so that timers fire in turn and none of them late."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + step, end)
            await self._settled()

    async def jump(self, seconds: float) -> None:
        """Let so many seconds pass at once, as for a process that was suspended."""
        self.now += seconds
        await self._settled()

    async def until(self, condition: Callable[[], Any], *, step: float = 0.05, limit: float = 60) -> float:
        """Let time pass until the condition holds. Returns how many seconds that took. Fails after `limit` seconds."""
        await self._settled()
        began = self.now
        while not condition():
            assert self.now < began + limit, f"not even after {limit} seconds"
            await self.advance(step, step=step)
        return self.now - began

    async def _settled(self) -> None:
        await settled()
        while self._busy():
            await happened(lambda: not self._busy())
            await settled()


async def settled() -> None:
    """Let whatever is ready run, and what becomes ready by that."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def happened(condition: Callable[[], Any]) -> None:
    """Wait for what does not depend on the loop's time: what a socket, a thread or a database brings."""
    end = monotonic() + _PATIENCE
    while not condition():
        assert monotonic() < end, "it did not happen"
        # Of real time, since the loop's may stand still. What is waited for needs the processor.
        sleep(_PAUSE)  # noqa: ASYNC251
        await asyncio.sleep(0)


@contextmanager
def held_clock(busy: Callable[[], Any] = lambda: False) -> Generator[LoopClock]:
    """The clock of the running loop, until the block ends."""
    loop = asyncio.get_running_loop()
    usual: Any = loop.time
    clock = LoopClock(loop.time(), busy)
    setattr(loop, "time", lambda: clock.now)  # noqa: B010 - loops of other kinds don't allow it
    try:
        yield clock
    finally:
        setattr(loop, "time", _Ahead(usual, max(0.0, clock.now - usual())))  # noqa: B010


class _Ahead:
    """A clock ahead of another by so many seconds. Clocks ahead of each other become one, since a loop that runs
    hundreds of tests would otherwise call hundreds of clocks to tell the time, up to Python's limit of recursion."""

    def __init__(self, clock: Any, seconds: float) -> None:
        if isinstance(clock, _Ahead):
            clock, seconds = clock.clock, clock.seconds + seconds
        self.clock = clock
        self.seconds = seconds

    def __call__(self) -> float:
        return self.clock() + self.seconds
