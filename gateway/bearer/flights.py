"""One call for all who want the same answer at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class Flights(Generic[V]):
    """The calls under way, by key. A caller who leaves does not end the call for the others."""

    def __init__(self) -> None:
        self._tasks: dict[bytes, asyncio.Task[V]] = {}

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
        return await asyncio.shield(task)

    async def landed(self) -> None:
        """Wait until no call is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())
