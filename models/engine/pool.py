"""Connections to a server, lent to one statement or transaction at a time; the one that came back last goes first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Final

# Seconds after which the server gets a connection back that nobody needed.
_IDLE: Final = 300.0


class Pool:
    """At most `size` connections, opened on demand by `connect`, which gets its time limit in seconds. `seconds` bounds
    the whole wait for a connection, idle or new."""

    def __init__(self, connect: Callable[[float | None], Awaitable[Any]], size: int, seconds: float | None) -> None:
        self._connect = connect
        self._seconds = seconds
        self._generation = 0
        self._free = size
        self._idle: list[Any] = []
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._clearing: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def places(self) -> int:
        """How many could be lent at once, now."""
        return self._free + len(self._idle)

    @property
    def idle(self) -> tuple[Any, ...]:
        return tuple(self._idle)

    async def take(self) -> Any:
        """To be given back or dropped. Raises TimeoutError, and what `connect` raises."""
        if self._closed:
            raise ConnectionError("closed")
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._free += 1
        if self._free:
            self._free -= 1
            return await self._new(self._seconds)
        began = monotonic()
        return await self._turn() or await self._new(self._left(began))

    def give_back(self, connection: Any) -> None:
        """One that is in order."""
        if self._closed or connection.is_closed() or connection.generation != self._generation:
            self.drop(connection)
            return
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return
        connection.idle_since = monotonic()
        self._idle.append(connection)
        self._clearing = self._clearing or asyncio.get_running_loop().call_later(_IDLE, self._clear)

    def drop(self, connection: Any) -> None:
        """One that is broken, or not needed any more. Another may be made in its place."""
        connection.terminate()
        self._leave_place()

    def renew(self) -> None:
        """Discard every connection opened before now: an event that broke one, such as a failover, has broken the
        others."""
        self._generation += 1
        while self._idle:
            self.drop(self._idle.pop())

    async def close(self) -> None:
        """Those that are lent are closed as they come back."""
        self._closed = True
        if self._clearing is not None:
            self._clearing.cancel()
        while self._idle:
            await self._idle.pop().close(timeout=5)

    def _clear(self) -> None:
        """The longest unused stand first."""
        while self._idle and self._idle[0].idle_since <= monotonic() - _IDLE:
            self.drop(self._idle.pop(0))
        self._clearing = asyncio.get_running_loop().call_later(_IDLE, self._clear) if self._idle else None

    async def _new(self, seconds: float | None) -> Any:
        # The generation when connecting began: the server may be replaced before it ends.
        generation = self._generation
        try:
            connection = await self._connect(seconds)
        except BaseException:
            self._leave_place()
            raise
        connection.generation = generation
        return connection

    def _left(self, began: float) -> float | None:
        """The time left, with a minimum: even a slot that frees up late may still be enough to connect."""
        return None if self._seconds is None else max(began + self._seconds - monotonic(), self._seconds / 10)

    async def _turn(self) -> Any:
        """A connection, or None for a place to make one. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(turn)
        # Lighter than asyncio.timeout, and under load most statements wait here.
        end = None if self._seconds is None else loop.call_later(self._seconds, _end, turn)
        try:
            return await turn
        except BaseException:
            self._pass_on(turn)
            raise
        finally:
            if end is not None:
                end.cancel()

    def _pass_on(self, turn: asyncio.Future[Any]) -> None:
        """It may have come in the moment in which its receiver left."""
        if turn.cancelled() or turn.exception() is not None:
            with suppress(ValueError):
                self._waiting.remove(turn)
        elif turn.result() is None:
            self._leave_place()
        else:
            self.give_back(turn.result())

    def _leave_place(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._free += 1


def _end(turn: asyncio.Future[Any]) -> None:
    if not turn.done():
        turn.set_exception(TimeoutError())
