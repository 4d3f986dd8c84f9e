"""One call for all who want the same answer at the same time, and a bound on how many wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class Flights(Generic[V]):
    """The calls under way, by key. A caller who leaves does not end the call for the others.

    `most` bounds the callers who wait at once, and the calls. Each caller is one of the requests that a process admits:
    without a bound, an endpoint that hangs would keep out everybody else.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0
        self._tasks: dict[bytes, asyncio.Task[V]] = {}

    def is_full(self, key: bytes) -> bool:
        """Whether no further caller may `join` the call for `key`. Calls go on without their callers, so they count."""
        return self._waiting >= self._most or (len(self._tasks) >= self._most and key not in self._tasks)

    async def join(self, key: bytes, start: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The outcome of the call under way for `key`; when there is none, of the one that `start` makes.

        `start` gives every outcome as a value: one exception object raised to many callers would gather the
        tracebacks of all of them.
        """
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(start())
            self._tasks[key] = task
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        self._waiting += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting -= 1

    async def landed(self) -> None:
        """Wait until no call is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())
