"""Work that has to reach its end, whoever stops waiting for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import structlog

from resolvers.failures import described
from wire.waiting import waiting

log = structlog.get_logger("tendon")

T = TypeVar("T")

# Seconds that work which nobody waits for gets at the end.
_MOMENT: Final = 2.0


class StillRunning(Exception):
    """The work continues, but the caller waits no longer."""


class Flights:
    """The exchanges under way in this process.

    A caller that hangs up must not cancel an exchange whose code is already spent, so each runs in a task of its own.
    Who holds a claim is the database's to say; the events here only spare waiters in the same process the asking.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._chores: set[asyncio.Task[Any]] = set()
        self._last: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._landings: dict[str, asyncio.Event] = {}
        self._waiting: Counter[str] = Counter()

    async def see_through(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """Run `work` to its end, even if the awaiting task is cancelled. Waits for at most `seconds`.

        Raises StillRunning after that.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._landed)
        waiting = asyncio.shield(task)
        if seconds is None:
            return await waiting
        # Cheaper than asyncio.timeout, and every callback takes this path.
        end = asyncio.get_running_loop().call_later(seconds, waiting.cancel)
        try:
            return await waiting
        except asyncio.CancelledError:
            if _is_cancelled() or task.cancelled():
                raise
            if not task.done():
                raise StillRunning from None
            return task.result()
        finally:
            end.cancel()

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` to its end, though nobody waits for it. It has to be bounded: the end of the process waits."""
        task = asyncio.create_task(_noted(work))
        self._tasks.add(task)
        task.add_done_callback(self._landed)

    def meanwhile(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` beside everything else. Nobody waits for it, and the end of the process may cut it short."""
        task = asyncio.create_task(_noted(work))
        self._chores.add(task)
        task.add_done_callback(self._landed)

    def at_the_end(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `work` at the end of each drain, after everything else, with a short time limit."""
        self._last.append(work)

    @contextmanager
    def under_way(self, key: str) -> Generator[None]:
        """Marks the exchange for `key` as running here until the block ends."""
        landing = self._landings[key] = asyncio.Event()
        try:
            yield
        finally:
            # A claim that was given back may be held by another already, who marks the same key.
            if self._landings.get(key) is landing:
                del self._landings[key]
            landing.set()

    def waiting(self, key: str) -> int:
        """How many wait for the exchange for `key`, here."""
        return self._waiting[key]

    async def pause(self, key: str, seconds: float) -> None:
        """Wait until the exchange for `key` ends, if it runs here, for at most a second; else wait `seconds`."""
        self._waiting[key] += 1
        try:
            with waiting():
                await self._pause(key, seconds)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def _pause(self, key: str, seconds: float) -> None:
        landing = self._landings.get(key)
        if landing is None:
            await asyncio.sleep(seconds)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(landing.wait(), max(seconds, 1))

    async def drain(self) -> None:
        """Wait for all running work, and briefly for chores. Then run what `at_the_end` registered."""
        while self._tasks:
            # Unlike gather, this leaves them alone when it is cancelled itself.
            await asyncio.wait(self._tasks)
        if self._chores:
            await asyncio.wait(self._chores, timeout=_MOMENT)
        for chore in self._chores:
            chore.cancel()
        if self._chores:
            await asyncio.wait(self._chores)
        for work in self._last:
            with suppress(TimeoutError):
                async with asyncio.timeout(_MOMENT):
                    await _noted(work())

    def _landed(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._chores.discard(task)
        if not task.cancelled():
            # Fetched, so that a failure nobody awaits any more is not reported as forgotten.
            task.exception()


def _is_cancelled() -> bool:
    """Whether the current task is being cancelled."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


async def _noted(work: Coroutine[Any, Any, Any]) -> None:
    """Nobody hears what it raises, but the log."""
    try:
        await work
    except Exception as fault:  # noqa: BLE001 - whatever it is
        log.error("fault", **described(fault))  # noqa: TRY400 - never the text
