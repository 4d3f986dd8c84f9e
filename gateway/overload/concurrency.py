"""A limit on the number of requests that run at once, with a short queue for those beyond it.

docs/adr/0010-admission.md compares its order with others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager


class ConcurrencyLimit:
    """Lets `running` requests run at once. `admitted` may be in progress, which includes those that wait for another
    system, such as a provider. `queued` more wait for a slot, each for at most `timeout` seconds.

    The queue is served in order until its oldest request has waited for a quarter of the time-out. From then on there
    is more work than can be done, and the newest request is served first: in order, every request would be served
    shortly before it times out. A request that finds the queue full takes the place of the oldest, which is rejected.
    """

    def __init__(self, running: int, admitted: int, queued: int, timeout: float) -> None:
        self._free_to_run = running
        self._free_to_admit = admitted
        self._queued = queued
        self._timeout = timeout
        self._queue: deque[_Waiter] = deque()

    def acquire_now(self) -> Slot | None:
        """A slot, or None when none is free."""
        if self._free_to_run <= 0 or self._free_to_admit <= 0:
            return None
        self._free_to_run -= 1
        self._free_to_admit -= 1
        return Slot(self)

    async def acquire(self) -> Slot | None:
        """Wait in the queue for a slot. None when the request is rejected."""
        if not self._queued:
            return None
        if len(self._queue) >= self._queued:
            self._queue.popleft().wake(None)
        waiter = _Waiter()
        self._queue.append(waiter)
        timer = waiter.loop.call_later(self._timeout, self._time_out, waiter)
        try:
            return await waiter.slot
        except asyncio.CancelledError:
            self._cancel(waiter)
            raise
        finally:
            timer.cancel()

    def free(self, running: int, admitted: int) -> None:
        """Change the number of free slots, and give those that are free now to the queue."""
        self._free_to_run += running
        self._free_to_admit += admitted
        while self._queue and (slot := self.acquire_now()) is not None:
            overloaded = self._queue[0].waited > self._timeout / 4
            waiter = self._queue.pop() if overloaded else self._queue.popleft()
            waiter.wake(slot)

    def _time_out(self, waiter: _Waiter) -> None:
        if waiter in self._queue:
            self._queue.remove(waiter)
            waiter.wake(None)

    def _cancel(self, waiter: _Waiter) -> None:
        """A waiter that is cancelled may have been given a slot already."""
        if waiter in self._queue:
            self._queue.remove(waiter)
        elif not waiter.slot.cancelled() and (slot := waiter.slot.result()) is not None:
            slot.release()


class _Waiter:
    """A request in the queue."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.slot: asyncio.Future[Slot | None] = self.loop.create_future()
        self._since = self.loop.time()

    @property
    def waited(self) -> float:
        return self.loop.time() - self._since

    def wake(self, slot: Slot | None) -> None:
        if not self.slot.done():
            self.slot.set_result(slot)
        elif slot is not None:
            slot.release()


class Slot:
    """Held by a request from its admission to the end of its response."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._running = True
        self._released = False

    def release(self) -> None:
        self._released = True
        self._limit.free(int(self._running), 1)

    @contextmanager
    def waiting(self) -> Generator[None]:
        """While the block waits for another system, another request may run.

        After it, the request goes on at once, even where that makes one more than the limit: a request that was
        begun must be finished. In a nested block, and after the release, this does nothing.
        """
        if not self._running or self._released:
            yield
            return
        self._set_running(running=False)
        try:
            yield
        finally:
            if not self._released:
                self._set_running(running=True)

    def _set_running(self, *, running: bool) -> None:
        self._running = running
        self._limit.free(-1 if running else 1, 0)
