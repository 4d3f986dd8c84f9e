"""A pool of PostgreSQL connections. They are opened on demand, and the most recently used one is reused first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Final

# Seconds after which an idle connection is closed.
_IDLE: Final = 300.0
# Seconds between attempts to open another connection while the server accepts no more.
_FULL: Final = 1.0
# Seconds that a connection may be in use before those that were idle all the time are no longer trusted.
_SILENT: Final = 1.0


def _never(_: BaseException) -> bool:
    return False


class Pool:
    """At most `size` connections. `connect` opens one; it takes a time limit in seconds. `seconds` limits the whole
    wait for a connection, idle or new; None sets no limit. `clock` gives seconds, as `monotonic` does.

    `is_full` tells whether an exception of `connect` means that the server accepts no more connections. The pool then
    gets by with those that it has, and tries again once a second. If it has none, it fails at once.
    """

    def __init__(
        self,
        connect: Callable[[float | None], Awaitable[Any]],
        size: int,
        seconds: float | None,
        *,
        is_full: Callable[[BaseException], bool] = _never,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._connect = connect
        self._seconds = seconds
        self._is_full = is_full
        self._clock = clock
        self._generation = 0
        self._free = size
        """Slots that are neither in use, nor assigned to a waiter, nor withheld. An idle connection needs no slot."""
        self._withheld = 0
        """Slots that can't be used as long as the server accepts no more connections."""
        self._restoring: asyncio.TimerHandle | None = None
        self._refusal: tuple[float, BaseException] | None = None
        """When the server last accepted no more connections, and what it answered."""
        self._open = 0
        """Connections: those in use, idle ones, and those that are being opened."""
        self._idle: list[Any] = []
        self._in_use: dict[Any, float] = {}
        """Since when, the longest first."""
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._expiring: asyncio.TimerHandle | None = None
        self._closed = False

    def try_acquire(self) -> Any:
        """An idle connection, or None if there is none or others are waiting. It must be passed to `release` or
        `discard`. This is much cheaper than `acquire`, which handles all other cases."""
        connection = self._take_idle() if self._free else None
        if connection is not None:
            self._free -= 1
        return connection

    async def acquire(self) -> Any:
        """A connection, which must be passed to `release` or `discard`. Raises TimeoutError, and what `connect`
        raises."""
        if self._closed:
            raise ConnectionError("closed")
        began = self._clock()
        if not self._open:
            self._check_not_full(began)
        if self._free:
            self._free -= 1
        else:
            await self._wait_for_slot(self._seconds, self._waiters.append)
        while True:
            if connection := self._take_idle():
                return connection
            try:
                return await self._open_one(began)
            except BaseException as error:
                if not self._is_full(error) or not self._can_wait(error):
                    self._release_slot()
                    raise
                # One may have become idle meanwhile.
                if not self._idle:
                    await self._wait_for_connection(began, error)

    def release(self, connection: Any) -> None:
        """Return a connection that works."""
        if self._closed or connection.generation != self._generation:
            self.discard(connection)
            return
        del self._in_use[connection]
        connection.idle_since = self._clock()
        self._idle.append(connection)
        if self._expiring is None:
            self._expiring = asyncio.get_running_loop().call_later(_IDLE, self._close_idle)
        self._release_slot()

    def discard(self, connection: Any) -> None:
        """Close a connection that is broken, and free its slot."""
        del self._in_use[connection]
        self._terminate(connection)
        self._release_slot()

    def expire_connections(self) -> None:
        """Close all current connections, those in use when they are released: what broke one of them, such as a
        failover, has probably broken all."""
        self._generation += 1
        while self._idle:
            self._terminate(self._idle.pop())

    async def close(self) -> None:
        """Connections in use are closed when they are released."""
        self._closed = True
        if self._expiring is not None:
            self._expiring.cancel()
        if self._restoring is not None:
            self._restoring.cancel()
        self._fail_waiters(ConnectionError("closed"))
        idle, self._idle = self._idle, []
        self._open -= len(idle)
        # Side by side, since a host that has vanished answers none of them.
        await asyncio.gather(*(connection.close(timeout=5) for connection in idle), return_exceptions=True)

    def _take_idle(self) -> Any:
        now = self._clock()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_closed():
                self._open -= 1
            elif connection.idle_since < now - _SILENT and self._may_be_lost(connection, now):
                self._terminate(connection)
            else:
                self._in_use[connection] = now
                return connection
        return None

    async def _open_one(self, began: float) -> Any:
        # Read before connecting, because `expire_connections` may be called meanwhile.
        generation = self._generation
        self._open += 1
        try:
            connection = await self._connect(self._left(began))
        except BaseException:
            self._open -= 1
            raise
        connection.generation = generation
        self._in_use[connection] = self._clock()
        self._refusal = None
        self._restore(self._withheld)
        return connection

    def _may_be_lost(self, connection: Any, now: float) -> bool:
        """Whether another one has been waiting for the server for long, and this one has not been used since: the host
        may have vanished, and this caller would have to wait, too. A new connection costs little."""
        since = next(iter(self._in_use.values()), None)
        return since is not None and connection.idle_since <= since < now - _SILENT

    def _check_not_full(self, now: float) -> None:
        """Raises the server's last answer for a second, so that a process without connections doesn't ask for each
        request."""
        if self._refusal is None:
            return
        at, error = self._refusal
        if now - at < _FULL:
            raise error.with_traceback(None)
        self._refusal = None

    def _can_wait(self, error: BaseException) -> bool:
        """Whether there is a connection that may be released, now that the server accepts no more."""
        if self._open and not self._closed:
            return True
        self._refusal = self._clock(), error
        # There is nothing to wait for.
        self._fail_waiters(error)
        return False

    def _fail_waiters(self, error: BaseException) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)

    async def _wait_for_connection(self, began: float, error: BaseException) -> None:
        """Wait for one of the connections that are open, before all others that wait. Raises `error` if none is
        released in time."""
        self._withheld += 1
        self._restoring = self._restoring or asyncio.get_running_loop().call_later(_FULL, self._try_again)
        try:
            await self._wait_for_slot(self._left(began), self._waiters.appendleft)
        except TimeoutError:
            raise error from None

    def _try_again(self) -> None:
        self._restoring = None
        self._restore(min(self._withheld, 1))
        if self._withheld:
            self._restoring = asyncio.get_running_loop().call_later(_FULL, self._try_again)

    def _restore(self, slots: int) -> None:
        self._withheld -= slots
        for _ in range(slots):
            self._release_slot()

    def _terminate(self, connection: Any) -> None:
        self._open -= 1
        connection.terminate()

    def _left(self, began: float) -> float | None:
        """The seconds that remain for connecting, but at least a tenth of the limit, so that connecting has a chance
        even if the slot became free late."""
        return None if self._seconds is None else max(began + self._seconds - self._clock(), self._seconds / 10)

    async def _wait_for_slot(self, seconds: float | None, enqueue: Callable[[asyncio.Future[None]], object]) -> None:
        """Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        enqueue(waiter)
        # Cheaper than asyncio.timeout, and under load most statements wait here.
        timer = None if seconds is None else loop.call_later(seconds, _time_out, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            # The slot may have been assigned at the same moment.
            if not waiter.cancelled() and waiter.exception() is None:
                self._release_slot()
            self._forget(waiter)
            raise
        except Exception:
            self._forget(waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _forget(self, waiter: asyncio.Future[None]) -> None:
        """Slots may stay in use for hours. For so long the queue would keep a waiter that has given up, and all that
        the traceback of its exception refers to."""
        with suppress(ValueError):
            self._waiters.remove(waiter)

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
            self._terminate(self._idle.pop(0))
        self._expiring = asyncio.get_running_loop().call_later(_IDLE, self._close_idle) if self._idle else None


def _time_out(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
