"""How many requests wait for something slow, so that they can't take all slots of the process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Hashable
from contextlib import contextmanager

from resolvers.errors import ServiceUnavailable


class Waiters:
    """The requests that wait in this process, counted by what they wait for."""

    def __init__(self) -> None:
        self._waiting: Counter[Hashable] = Counter()

    @contextmanager
    def joined(self, limits: dict[Hashable, int]) -> Generator[None]:
        """Count a request for each key of `limits` in this block. Raises ServiceUnavailable if as many wait for one of
        them as its limit says."""
        if any(self._waiting[key] >= limit for key, limit in limits.items()):
            raise ServiceUnavailable
        self._waiting.update(limits.keys())
        try:
            yield
        finally:
            self._waiting.subtract(limits.keys())
            for key in limits:
                if not self._waiting[key]:
                    del self._waiting[key]
