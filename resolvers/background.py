"""What goes on in this process beside the request that began it: background tasks, which the process waits for at its
end, and the exchanges in progress, which callbacks for the same state wait for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager, suppress
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
        self._tasks: set[asyncio.Task[Any]] = set()
        self._retrying: set[asyncio.Task[Any]] = set()
        self._on_drain: list[Callable[[], Coroutine[Any, Any, None]]] = []

    async def run(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """Run `work` to its end, even if the awaiting task is cancelled. Waits for at most `seconds`.

        Raises StillRunning after that.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        shielded = asyncio.shield(task)
        if seconds is None:
            return await shielded
        # Cheaper than asyncio.timeout, and every callback takes this path.
        timer = asyncio.get_running_loop().call_later(seconds, shielded.cancel)
        try:
            return await shielded
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            if not task.done():
                raise StillRunning from None
            return task.result()
        finally:
            timer.cancel()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work`, which must have a time limit: `drain` waits for its end. An exception is logged."""
        task = asyncio.create_task(_logged(work))
        self._tasks.add(task)
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
        self._tasks.discard(task)
        self._retrying.discard(task)
        if not task.cancelled():
            # Retrieved, so that asyncio does not report a failure that nobody awaits any more.
            task.exception()


class Exchanges:
    """The exchanges in progress in this process, each by the hash of its state, so that callbacks for the same state
    learn at once when one ends. Who holds a claim is decided in the database; this only saves asking it."""

    def __init__(self) -> None:
        self._ends: dict[str, asyncio.Event] = {}
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def in_progress(self, key: str) -> Generator[None]:
        """Marks the exchange as running here until the block ends."""
        end = self._ends[key] = asyncio.Event()
        try:
            yield
        finally:
            # A claim that was released may be held by another callback already, which marks the same key.
            if self._ends.get(key) is end:
                del self._ends[key]
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
        end = self._ends.get(key)
        if end is None:
            await asyncio.sleep(seconds)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), max(seconds, 1))


def backoff(pauses: Sequence[float], tries: int) -> float:
    """Seconds to wait after so many tries. The last pause repeats."""
    return pauses[min(tries, len(pauses)) - 1]


def _is_cancelled() -> bool:
    """Whether the current task is being cancelled."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


async def _logged(work: Coroutine[Any, Any, Any]) -> None:
    """Nobody awaits the result, so an exception goes to the log."""
    try:
        await work
    except Exception as fault:  # noqa: BLE001 - whatever it is
        log.error("fault", **exception_details(fault))  # noqa: TRY400 - never the text
