"""A pool of PostgreSQL connections. They are opened on demand, and the most recently used one is reused first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final

# Seconds after which an idle connection is closed.
_IDLE: Final = 300.0


class Pool:
    """At most `size` connections. `connect` opens one; it takes a time limit in seconds. `seconds` limits the whole
    wait for a connection, idle or new; None sets no limit. `clock` gives seconds, as `monotonic` does."""

    def __init__(
        self,
        connect: Callable[[float | None], Awaitable[Any]],
        size: int,
        seconds: float | None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._connect = connect
        self._seconds = seconds
        self._clock = clock
        self._generation = 0
        self._free = size
        """Slots that are neither in use nor assigned to a waiter. An idle connection needs no slot."""
        self._idle: list[Any] = []
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._expiring: asyncio.TimerHandle | None = None
        self._closed = False

    async def acquire(self) -> Any:
        """A connection, which must be passed to `release` or `discard`. Raises TimeoutError, and what `connect`
        raises."""
        if self._closed:
            raise ConnectionError("closed")
        began = self._clock()
        if self._free:
            self._free -= 1
        else:
            await self._wait_for_slot()
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await self._open(began)

    def release(self, connection: Any) -> None:
        """Return a connection that works."""
        if self._closed or connection.is_closed() or connection.generation != self._generation:
            self.discard(connection)
            return
        connection.idle_since = self._clock()
        self._idle.append(connection)
        self._expiring = self._expiring or asyncio.get_running_loop().call_later(_IDLE, self._close_idle)
        self._release_slot()

    def discard(self, connection: Any) -> None:
        """Close a connection that is broken, and free its slot."""
        connection.terminate()
        self._release_slot()

    def expire_connections(self) -> None:
        """Close all current connections, those in use when they are released: what broke one of them, such as a
        failover, has probably broken all."""
        self._generation += 1
        while self._idle:
            self._idle.pop().terminate()

    async def close(self) -> None:
        """Connections in use are closed when they are released."""
        self._closed = True
        if self._expiring is not None:
            self._expiring.cancel()
        while self._idle:
            await self._idle.pop().close(timeout=5)

    async def _open(self, began: float) -> Any:
        # Read before connecting, because `expire_connections` may be called meanwhile.
        generation = self._generation
        try:
            connection = await self._connect(self._left(began))
        except BaseException:
            self._release_slot()
            raise
        connection.generation = generation
        return connection

    def _left(self, began: float) -> float | None:
        """The seconds that remain for connecting, but at least a tenth of the limit, so that connecting has a chance
        even if the slot became free late."""
        return None if self._seconds is None else max(began + self._seconds - self._clock(), self._seconds / 10)

    async def _wait_for_slot(self) -> None:
        """Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        # Cheaper than asyncio.timeout, and under load most statements wait here.
        timer = None if self._seconds is None else loop.call_later(self._seconds, _time_out, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            # The slot may have been assigned at the same moment.
            if not waiter.cancelled() and waiter.exception() is None:
                self._release_slot()
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _release_slot(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

    def _close_idle(self) -> None:
        """Close connections that have been idle for too long. The list is ordered by the time of last use."""
        while self._idle and self._idle[0].idle_since <= self._clock() - _IDLE:
            self._idle.pop(0).terminate()
        self._expiring = asyncio.get_running_loop().call_later(_IDLE, self._close_idle) if self._idle else None


def _time_out(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
