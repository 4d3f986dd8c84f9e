"""Audit rows for events that a caller may repeat without limit: the first of a kind is written at once, the others are
counted and written as one row a minute. Kinds beyond the maximum are counted together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from models.database import DatabaseDown

Values = Mapping[str, Any]
Write = Callable[[Values], Awaitable[None]]

KIND: Final = ("actor", "client", "subject", "action", "provider", "connection_id", "outcome")
"""The values that are equal in all events of one kind."""

# What the overflow kinds are told apart by. Their rows hold none of the other values, and name no user.
_OVERFLOW: Final = ("action", "outcome")
_LEFT_OUT: Final = {"user": None} | dict.fromkeys(name for name in KIND if name not in _OVERFLOW)

# Seconds between two rows of one kind.
_EVERY: Final = 60.0
# Maximum number of kinds in memory, which also bounds the rows per minute. One takes about a kilobyte. Overflow kinds
# come on top: one for each action and outcome.
_KINDS: Final = 2000
# Maximum number of kinds per caller, who chooses which connections to ask for. The rest count as one kind.
_OF_ONE: Final = 32
# Maximum number of rows written concurrently.
_AT_ONCE: Final = 32

log = structlog.get_logger("tendon")


@dataclass(slots=True)
class _Kind:
    """`first` writes the first row, `values` are those of the last event, `count` is the number of events not yet
    written."""

    first: asyncio.Task[None]
    write: Write
    values: Values
    since: float
    count: int = 0


class Repeats:
    """The counts of one process. If it is killed, up to a minute's counts are lost, but never the first row of a
    kind."""

    def __init__(self, *, every: float = _EVERY, kinds: int = _KINDS, of_one: int = _OF_ONE) -> None:
        self._every = every
        self._most = kinds
        self._of_one = of_one
        self._kinds: dict[tuple[Any, ...], _Kind] = {}
        self._callers: Counter[tuple[Any, ...]] = Counter()
        self._overflowing = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def record(self, values: Values, write: Write) -> None:
        """Returns once a row of the kind is stored, for this event or an earlier one. Raises what `write` raises."""
        key = _key(values)
        if key not in self._kinds and self._callers[_caller(key)] >= self._of_one:
            values = {**values, "subject": None, "connection_id": None}
            key = _key(values)
        if key not in self._kinds and len(self._kinds) - self._overflowing >= self._most:
            values = {**values, **_LEFT_OUT}
            key = _key(values)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._begin(key, values, write)
        else:
            kind.values = values
            kind.count += 1
        # A caller that disconnects must not cancel the write for the others.
        await asyncio.shield(kind.first)

    async def close(self) -> None:
        """Write the counts so far, and none later: the database may be closed next."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._write_out(list(self._kinds.items()))
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, key: tuple[Any, ...], values: Values, write: Write) -> _Kind:
        if _is_overflow(key):
            self._overflowing += 1
            log.warning("audit.overflow", action=values["action"], outcome=values["outcome"])
        loop = asyncio.get_running_loop()
        first = self._start(write({**values, "count": 1}))
        kind = self._kinds[key] = _Kind(first, write, values, loop.time())
        self._callers[_caller(key)] += 1
        first.add_done_callback(lambda task: self._written(key, kind, task))
        if self._timer is None:
            self._arm(loop.time() + self._every)
        return kind

    def _arm(self, when: float) -> None:
        """`when` is a time of the running loop."""
        if not self._closed:
            self._timer = asyncio.get_running_loop().call_at(when, self._tick)

    def _written(self, key: tuple[Any, ...], kind: _Kind, task: asyncio.Task[None]) -> None:
        """Forget a kind whose first row could not be written, so that the next event tries again."""
        if (task.cancelled() or task.exception()) and self._kinds.get(key) is kind:
            self._forget(key)

    def _forget(self, key: tuple[Any, ...]) -> None:
        del self._kinds[key]
        self._overflowing -= _is_overflow(key)
        caller = _caller(key)
        self._callers[caller] -= 1
        if not self._callers[caller]:
            del self._callers[caller]

    def _tick(self) -> None:
        self._timer = None
        self._start(self._turn())

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        past = loop.time() - self._every
        await self._write_out([(key, kind) for key, kind in self._kinds.items() if kind.since <= past])
        if self._kinds and self._timer is None:
            self._arm(min(kind.since for kind in self._kinds.values()) + self._every)

    async def _write_out(self, kinds: Sequence[tuple[tuple[Any, ...], _Kind]]) -> None:
        for key, kind in kinds:
            if not kind.count and kind.first.done() and self._kinds.get(key) is kind:
                self._forget(key)
        counted = [kind for _, kind in kinds if kind.count]
        for start in range(0, len(counted), _AT_ONCE):
            await asyncio.gather(*(_write_count(kind) for kind in counted[start : start + _AT_ONCE]))

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _write_count(kind: _Kind) -> None:
    count, kind.count = kind.count, 0
    kind.since = asyncio.get_running_loop().time()
    try:
        await kind.write({**kind.values, "count": count})
    except DatabaseDown as fault:
        kind.count += count
        log.warning("audit.delayed", error=fault.reason, count=count)


def _key(values: Values) -> tuple[Any, ...]:
    return tuple(values[name] for name in KIND)


def _caller(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Actor and client."""
    return key[:2]


def _is_overflow(key: tuple[Any, ...]) -> bool:
    return all(value is None for name, value in zip(KIND, key, strict=True) if name not in _OVERFLOW)
