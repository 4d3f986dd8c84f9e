"""Places to work in: a bounded number at once, a bounded number waiting for one, and nobody for long."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager


class Places:
    """`working` requests work at once and `inside` are in the house, which adds those that wait for somebody else, such
    as a provider. `queued` more wait for a place, each for at most `patience` seconds.

    The oldest of the queue is served first, until it has waited for a quarter of its patience. From then on there is
    more to do than can be done, and the newest is served first: in order, everybody would wait until just before they
    give up. Where the queue is full the oldest is sent away.
    """

    def __init__(self, working: int, inside: int, queued: int, patience: float) -> None:
        self._free = working
        self._room = inside
        self._queued = queued
        self._patience = patience
        self._queue: deque[_Turn] = deque()

    def take(self) -> Place | None:
        """A place that is free now, or None."""
        return self._give() if self._free > 0 and self._room > 0 else None

    async def wait(self) -> Place | None:
        """A place, or None when none came free in time."""
        if not self._queued:
            return None
        if len(self._queue) >= self._queued:
            self._queue.popleft().call(None)
        turn = _Turn()
        self._queue.append(turn)
        end = turn.loop.call_later(self._patience, self._send_away, turn)
        try:
            return await turn.place
        except asyncio.CancelledError:
            self._leave(turn)
            raise
        finally:
            end.cancel()

    def free(self, working: int, inside: int) -> None:
        """So many places more, or fewer, for those who work and for those in the house."""
        self._free += working
        self._room += inside
        while self._queue and (place := self.take()) is not None:
            late = self._queue[0].age > self._patience / 4
            turn = self._queue.pop() if late else self._queue.popleft()
            turn.call(place)

    def _give(self) -> Place:
        self._free -= 1
        self._room -= 1
        return Place(self)

    def _send_away(self, turn: _Turn) -> None:
        if turn in self._queue:
            self._queue.remove(turn)
            turn.call(None)

    def _leave(self, turn: _Turn) -> None:
        """Whoever waited was cancelled, maybe when a place had come already."""
        if turn in self._queue:
            self._queue.remove(turn)
        elif not turn.place.cancelled() and (place := turn.place.result()) is not None:
            place.give_back()


class _Turn:
    """Somebody's standing in the queue."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.place: asyncio.Future[Place | None] = self.loop.create_future()
        self._since = self.loop.time()

    @property
    def age(self) -> float:
        return self.loop.time() - self._since

    def call(self, place: Place | None) -> None:
        if not self.place.done():
            self.place.set_result(place)
        elif place is not None:
            place.give_back()


class Place:
    """One request's place, from when it is let in until it is answered."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._working = True
        self._ended = False

    def give_back(self) -> None:
        self._ended = True
        self._places.free(int(self._working), 1)

    @contextmanager
    def away(self) -> Generator[None]:
        """While the block waits for somebody else, others may work.

        Whoever comes back goes on at once, even where that makes one too many: what was begun is to be ended. Within
        itself, and after the request has ended, this does nothing.
        """
        if not self._working or self._ended:
            yield
            return
        self._set_working(working=False)
        try:
            yield
        finally:
            if not self._ended:
                self._set_working(working=True)

    def _set_working(self, *, working: bool) -> None:
        self._working = working
        self._places.free(-1 if working else 1, 0)
