"""One call for all tasks that want the same answer at the same time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class SingleFlight(Generic[V]):
    """The calls in progress, by key. A caller that is cancelled does not cancel the call for the others.

    `limit` bounds how many callers wait at once, and how many calls are in progress. Each caller is a request that the
    process has admitted, so without a limit, requests that wait for a hung endpoint would keep out all others.
    """

    def __init__(self, limit: float = math.inf) -> None:
        self._limit = limit
        self._waiting = 0
        self._calls: dict[Hashable, asyncio.Task[V]] = {}

    def is_full(self, key: Hashable) -> bool:
        """Whether the limit leaves no room for another caller of `join`. A call that all its callers have left counts
        until it ends."""
        return self._waiting >= self._limit or (len(self._calls) >= self._limit and key not in self._calls)

    async def join(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return the result of the call in progress for `key`. When there is none, begin one with `start`.

        If the call raises, each caller gets the same exception object, which collects the tracebacks of all of them.
        Where that matters, `start` should return failures as values.
        """
        call = self._calls.get(key)
        # One that is done until the loop's next step is not in progress: whoever joins again because the result is not
        # new enough would get it again, without ever giving the loop that step.
        if call is None or call.done():
            call = self._calls[key] = asyncio.create_task(start())
            call.add_done_callback(lambda ended: self._end(key, ended))
        self._waiting += 1
        try:
            return await asyncio.shield(call)
        finally:
            self._waiting -= 1

    async def drain(self) -> None:
        """Wait until no call is in progress."""
        while self._calls:
            await asyncio.wait(self._calls.values())

    def _end(self, key: Hashable, call: asyncio.Task[V]) -> None:
        if self._calls.get(key) is call:
            del self._calls[key]
        if not call.cancelled():
            # Retrieved, so that asyncio does not report a failure whose callers have all left.
            call.exception()
