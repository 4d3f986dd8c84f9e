"""What goes on in this process beside the request that began it: background tasks, which the process waits for at its
end, and the exchanges in progress, which callbacks for the same state wait for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog

from resolvers.exception_details import exception_details
from wire.waiting import waiting

log = structlog.get_logger("tendon")

T = TypeVar("T")

# Seconds that `drain` gives to retrying tasks, and to each callback.
_GRACE: Final = 2.0


class StillRunning(Exception):
    """The work continues, but the caller waits no longer."""


class Background:
    """The background tasks of this process."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], asyncio.Future[None] | None] = {}
        """Each with what is done when it has ended, if somebody waits for that."""
        self._retrying: set[asyncio.Task[Any]] = set()
        self._on_drain: list[Callable[[], Coroutine[Any, Any, None]]] = []

    async def run(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """Run `work` to its end, even if the awaiting task is cancelled. Waits for at most `seconds`.

        Raises StillRunning after that.
        """
        loop = asyncio.get_running_loop()
        task = loop.create_task(work)
        # Done when the task ends, or the time is over. Awaiting this instead of the task leaves the task alone when the
        # waiting one is cancelled, as asyncio.shield does, in fewer steps: every callback takes this path.
        end = self._tasks[task] = loop.create_future()
        task.add_done_callback(self._ended)
        timer = None if seconds is None else loop.call_later(seconds, _set, end)
        try:
            await end
        finally:
            if timer is not None:
                timer.cancel()
        if not task.done():
            raise StillRunning
        return task.result()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work`, which must have a time limit: `drain` waits for its end. An exception is logged."""
        task = asyncio.create_task(_logged(work))
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def start_retrying(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work`, which may go on for long: `drain` cancels it after a moment. An exception is logged."""
        task = asyncio.create_task(_logged(work))
        self._retrying.add(task)
        task.add_done_callback(self._ended)

    def on_drain(self, callback: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `callback` at the end of each drain, after all tasks, for a moment at most."""
        self._on_drain.append(callback)

    async def drain(self) -> None:
        """Wait for all tasks, and briefly for the retrying ones. Then run the callbacks of `on_drain`."""
        while self._tasks:
            # Unlike gather, this leaves them alone when it is cancelled itself.
            await asyncio.wait(self._tasks)
        if self._retrying:
            await asyncio.wait(self._retrying, timeout=_GRACE)
        for task in self._retrying:
            task.cancel()
        if self._retrying:
            await asyncio.wait(self._retrying)
        for callback in self._on_drain:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await _logged(callback())

    def _ended(self, task: asyncio.Task[Any]) -> None:
        end = self._tasks.pop(task, None)
        self._retrying.discard(task)
        if end is not None:
            _set(end)
        if not task.cancelled():
            # Retrieved, so that asyncio does not report a failure that nobody awaits any more.
            task.exception()


class Exchanges:
    """The exchanges in progress in this process, each by the hash of its state, so that callbacks for the same state
    learn at once when one ends. Who holds a claim is decided in the database; this only saves asking it."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._ends: dict[str, asyncio.Event] = {}
        """By owner, as far as somebody waits for it."""
        self._waiting: Counter[str] = Counter()

    def begin(self, key: str, owner: str) -> None:
        """The exchange runs here, until `end` is called."""
        self._owners[key] = owner

    def end(self, key: str, owner: str) -> None:
        """Does nothing if it never began."""
        # A claim that was released may be held by another callback already, for the same key.
        if self._owners.get(key) == owner:
            del self._owners[key]
        end = self._ends.pop(owner, None)
        if end is not None:
            end.set()

    def waiting(self, key: str) -> int:
        """How many callbacks wait for the exchange, here."""
        return self._waiting[key]

    async def wait(self, key: str, seconds: float) -> None:
        """Wait until the exchange ends, if it runs here, for at most a second; else wait `seconds`."""
        self._waiting[key] += 1
        try:
            with waiting():
                await self._wait(key, seconds)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def _wait(self, key: str, seconds: float) -> None:
        owner = self._owners.get(key)
        if owner is None:
            await asyncio.sleep(seconds)
            return
        end = self._ends.setdefault(owner, asyncio.Event())
        with suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), max(seconds, 1))


def backoff(pauses: Sequence[float], tries: int) -> float:
    """Seconds to wait after so many tries. The last pause repeats."""
    return pauses[min(tries, len(pauses)) - 1]


def _set(end: asyncio.Future[None]) -> None:
    if not end.done():
        end.set_result(None)


async def _logged(work: Coroutine[Any, Any, Any]) -> None:
    """Nobody awaits the result, so an exception goes to the log."""
    try:
        await work
    except Exception as fault:  # noqa: BLE001 - whatever it is
        log.error("fault", **exception_details(fault))  # noqa: TRY400 - never the text
