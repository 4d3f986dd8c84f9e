"""The exchanges in progress in this process, so that callbacks for the same state learn at once when one ends.

Who holds a claim is decided in the database; this only saves asking it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress

from wire.waiting import waiting


class Exchanges:
    """Each by the hash of its state."""

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
