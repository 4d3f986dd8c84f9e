"""A request's slot, which is released while the request waits for another system."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from typing import TypeVar

from wire.waiting import release_slot

T = TypeVar("T")


class Slot:
    def __init__(self) -> None:
        self.releases = 0
        self._blocks = 0

    @property
    def released(self) -> bool:
        return self._blocks > 0

    async def run(self, work: Awaitable[T]) -> T:
        token = release_slot.set(self._waiting)
        try:
            return await work
        finally:
            release_slot.reset(token)

    @contextmanager
    def _waiting(self) -> Generator[None]:
        self.releases += 1
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
