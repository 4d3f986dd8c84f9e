"""Background tasks: work that goes on when its caller stops waiting for it, and that the process waits for at its
end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog

from resolvers.exception_details import exception_details

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
            if _is_cancelled() or task.cancelled():
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
