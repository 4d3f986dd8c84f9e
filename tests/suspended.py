"""Cancelling a coroutine exactly where it waits for the n-th time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Generator
from typing import Any


class CancelledAt:
    """Awaits `work` and cancels the running task at each suspension whose number is in `places`, the first being 1.

    `suspensions` says how often it has waited so far.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], places: Collection[int]) -> None:
        self.suspensions = 0
        self._work = work
        self._places = places

    def __await__(self) -> Generator[Any, Any, None]:
        running = self._work.__await__()
        step: Callable[[], Any] = running.__next__
        while True:
            try:
                waiting = step()
            except StopIteration:
                return
            self._count()
            try:
                yield waiting
            except BaseException as thrown:  # noqa: BLE001 - whatever it is, it is for the work
                step = _throwing(running, thrown)
            else:
                step = running.__next__

    def _count(self) -> None:
        self.suspensions += 1
        task = asyncio.current_task()
        if self.suspensions in self._places and task is not None:
            # Lands as soon as the task has given way, in what it waits for now.
            task.cancel()


def _throwing(running: Generator[Any, Any, None], thrown: BaseException) -> Callable[[], Any]:
    return lambda: running.throw(thrown)


async def run_and_cancel(work: Coroutine[Any, Any, Any], *places: int) -> tuple[bool, int]:
    """Run `work` in a task of its own. Returns whether it came to its end, and how often it waited."""
    cancelled_at = CancelledAt(work, places)

    async def run() -> bool:
        try:
            await cancelled_at
        except asyncio.CancelledError:
            return False
        return True

    ended = await asyncio.create_task(run())
    return ended, cancelled_at.suspensions
