"""Connections whose statement was given up before the server had answered it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from contextvars import Context
from typing import Any, Final

import msgspec
import structlog

log = structlog.get_logger("tendon")

# Seconds until the first look whether the server still works for these connections, and between the later ones.
_FIRST: Final = 1.0
_LOOK: Final = 10.0
# The same while a connection is lost, or the server could not tell.
_SOON: Final = 1.0
# After so many questions in a row that the server did not understand, its sessions count as ended.
_FAILED_LOOKS: Final = 3
# Time limit in seconds for rolling back.
_ROLLBACK: Final = 1.0


class _Held(msgspec.Struct):
    waiting: asyncio.Task[None]
    since: float
    lost: bool = False


class Unanswered:
    """Each connection keeps its slot of the pool until the server has answered, so that this process never has more
    sessions at the server than its pool has slots.

    A COMMIT may wait for a silent standby for hours, and neither a time-out nor a closed connection ends that wait. If
    the slot were free, each caller's retry would start another session, until the server accepts none.

    `end` takes a connection back, usable or not. `distrust` is called when a server that works would have answered, as
    `seconds` have passed; None sets no limit. `sessions` returns which of these sessions still exist, given their
    process ids with the ages of the connections in seconds. It returns None if the server can't be reached, and raises
    an exception if the server does not understand the question.
    """

    def __init__(
        self,
        end: Callable[[Any, bool], None],
        sessions: Callable[[Mapping[int, float]], Awaitable[Collection[int] | None]],
        distrust: Callable[[], None],
        seconds: float | None,
    ) -> None:
        self._end = end
        self._distrust = distrust
        self._seconds = seconds
        self._sessions = sessions
        self._held: dict[Any, _Held] = {}
        self._loss = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._failed_looks = 0
        self._closed = False

    def hold(self, connection: Any) -> None:
        """Wait for the server's answer in the background, then end a transaction that is still open."""
        if self._closed:
            self._end(connection, False)
            return
        self._held[connection] = _Held(asyncio.create_task(self._wait(connection)), _now())
        # The request that came first is not the only one that this is about.
        self._looking = self._looking or asyncio.create_task(self._look(), context=Context())

    async def close(self) -> None:
        """Close the connections. The server finishes their statements."""
        self._closed = True
        tasks = [*(held.waiting for held in self._held.values()), *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        for connection in list(self._held):
            self._release(connection, usable=False)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, connection: Any) -> None:
        done, _ = await asyncio.wait([connection.unanswered], timeout=self._seconds)
        if not done:
            self._distrust()
            await asyncio.wait([connection.unanswered])
        if connection.is_closed():
            # A proxy may have closed it, while the session goes on.
            self._held[connection].lost = True
            self._loss.set()
        else:
            self._release(connection, usable=await _rolled_back(connection))

    def _release(self, connection: Any, *, usable: bool) -> None:
        if self._held.pop(connection, None) is not None:
            self._end(connection, usable)

    async def _look(self) -> None:
        """Free the slots of sessions that have ended. A proxy may keep a connection open after that, for example in a
        failover, and such a connection would never be answered."""
        warned, pause = False, _FIRST
        while self._held:
            await self._pause(pause)
            waiting = [held for held in self._held.values() if _now() - held.since >= _LOOK]
            if waiting and not warned:
                log.warning("database.unanswered", connections=len(waiting))
                warned = True
            told = not self._held or await self._drop_ended()
            pause = _SOON if not told or any(held.lost for held in self._held.values()) else _LOOK
        self._looking = None

    async def _pause(self, seconds: float) -> None:
        """Ends early when a connection is lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._loss.wait()
        self._loss.clear()

    async def _drop_ended(self) -> bool:
        """Whether the server told which sessions have ended."""
        now = _now()
        ids = {connection: connection.process_id for connection in self._held}
        try:
            existing = await self._sessions({number: now - one.opened_at for one, number in ids.items()})
        except Exception:  # noqa: BLE001 - whatever it is, the next look may succeed
            self._failed_looks += 1
            existing = None if self._failed_looks < _FAILED_LOOKS else ()
        else:
            self._failed_looks = 0
        if existing is None:
            return False
        for connection, number in ids.items():
            if number not in existing:
                self._drop(connection)
        return True

    def _drop(self, connection: Any) -> None:
        if held := self._held.get(connection):
            if not held.lost:
                # The others lead to where this one did.
                self._distrust()
            held.waiting.cancel()
            self._release(connection, usable=False)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _rolled_back(connection: Any) -> bool:
    """Whether the connection can be used again."""
    with suppress(Exception):
        async with asyncio.timeout(_ROLLBACK):
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
        return not connection.is_closed()
    return False
