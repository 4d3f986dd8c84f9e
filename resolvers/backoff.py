"""Waiting between tries."""

from __future__ import annotations

import asyncio

from wire.waiting import waiting


class Backoff:
    """Gives the pauses between tries, in seconds. The last one repeats."""

    def __init__(self, *pauses: float) -> None:
        self._pauses = pauses
        self.tries = 0
        """How often it was asked for a pause."""

    def next(self) -> float:
        pause = self._pauses[min(self.tries, len(self._pauses) - 1)]
        self.tries += 1
        return pause


async def sleep(seconds: float) -> None:
    """Sleep without occupying the request's slot."""
    with waiting():
        await asyncio.sleep(seconds)
