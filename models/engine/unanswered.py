"""Connections whose statement was given up before the server had answered it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import structlog

log = structlog.get_logger("tendon")

# Seconds between the looks whether the server still works for these connections.
_LOOK: Final = 10.0
# How many looks in a row may fail because the server can't be reached.
_FAILED_LOOKS: Final = 3
# Time limit in seconds for rolling back.
_ROLLBACK: Final = 1.0


class Unanswered:
    """Each connection keeps its slot of the pool until the server has answered, so that this process never has more
    sessions at the server than its pool has slots.

    A COMMIT may wait for a silent standby for hours, and neither a time-out nor a closed connection ends that wait. If
    the slot were free, each caller's retry would start another session, until the server accepts none.

    `end` takes a connection back, usable or not. `distrust` is called when a server that works would have answered, as
    `seconds` have passed; None sets no limit. `sessions` returns which of these sessions still exist, given their
    process ids with the ages of the connections in seconds. It raises an exception if it couldn't find out, and None
    stands for a server that is too busy to tell.
    """

    def __init__(
        self,
        end: Callable[[Any, bool], None],
        sessions: Callable[[Mapping[int, float]], Awaitable[set[int] | None]],
        distrust: Callable[[], None],
        seconds: float | None,
    ) -> None:
        self._end = end
        self._distrust = distrust
        self._seconds = seconds
        self._sessions = sessions
        self._held: dict[Any, asyncio.Task[None]] = {}
        self._process_ids: dict[Any, int] = {}
        self._looking: asyncio.Task[None] | None = None

    def hold(self, connection: Any) -> None:
        """Wait for the server's answer in the background, then end a transaction that is still open."""
        self._held[connection] = asyncio.create_task(self._wait(connection))
        # A connection that is lost no longer knows it.
        self._process_ids[connection] = connection.get_server_pid()
        self._looking = self._looking or asyncio.create_task(self._look())

    async def close(self) -> None:
        """Close the connections. The server finishes their statements."""
        tasks = [*self._held.values(), *([self._looking] if self._looking else [])]
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
        self._release(connection, usable=await _rolled_back(connection))

    def _release(self, connection: Any, *, usable: bool) -> None:
        if self._held.pop(connection, None) is not None:
            del self._process_ids[connection]
            self._end(connection, usable)

    async def _look(self) -> None:
        """A proxy may keep a connection open after the session at the server has ended, for example in a failover. Such
        a connection would never be answered."""
        failed = 0
        await asyncio.sleep(_LOOK)
        if self._held:
            log.warning("database.unanswered", connections=len(self._held))
        while self._held:
            ids, now = dict(self._process_ids), asyncio.get_running_loop().time()
            try:
                existing = await self._sessions({number: now - one.opened_at for one, number in ids.items()})
                failed = 0
            except Exception:  # noqa: BLE001 - whatever it is, the next look may succeed
                failed += 1
                existing = set[int]() if failed >= _FAILED_LOOKS else None
            if existing is not None:
                self._drop([one for one, number in ids.items() if number not in existing])
            await asyncio.sleep(_LOOK)
        self._looking = None

    def _drop(self, connections: list[Any]) -> None:
        for connection in connections:
            if waiting := self._held.get(connection):
                waiting.cancel()
                self._release(connection, usable=False)


async def _rolled_back(connection: Any) -> bool:
    """Whether the connection can be used again."""
    with suppress(Exception):
        async with asyncio.timeout(_ROLLBACK):
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
        return not connection.is_closed()
    return False
