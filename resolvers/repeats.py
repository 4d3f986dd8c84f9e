"""Limits the audit rows for events that a caller can repeat at any rate. The first event of a kind is written at once.
Its repetitions are counted, and written as one row a minute. Beyond a maximum, further kinds are counted together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from msgspec.structs import replace

from models.audit_event import AuditEntry
from models.database import DatabaseDown

Write = Callable[[AuditEntry, int], Awaitable[None]]
"""Writes an entry and how often it occurred."""


class Kind(NamedTuple):
    """The fields that are equal in all entries of one kind."""

    actor: str | None
    client_id: str | None
    subject: str | None
    action: str
    provider: str | None
    connection_id: str | None
    outcome: str

    @classmethod
    def from_entry(cls, entry: AuditEntry) -> Kind:
        return cls(
            entry.actor,
            entry.client_id,
            entry.subject,
            entry.action,
            entry.provider,
            entry.connection_id,
            entry.outcome,
        )

    @property
    def caller(self) -> tuple[str | None, str | None]:
        return (self.actor, self.client_id)

    @property
    def is_overflow(self) -> bool:
        """Whether only action and outcome are set, so that it counts further kinds together."""
        return self == Kind(None, None, None, self.action, None, None, self.outcome)


# Seconds between two rows of one kind.
_INTERVAL: Final = 60.0
# Maximum number of kinds in memory, which also bounds the rows per minute. One takes about a kilobyte. Overflow kinds
# come on top: one for each action and outcome.
_KINDS: Final = 2000
# Maximum number of kinds per caller, because a caller can ask for any number of connections. Its further kinds are
# counted without subject and connection.
_KINDS_PER_CALLER: Final = 32
# Maximum number of rows written concurrently.
_CONCURRENT_WRITES: Final = 32

log = structlog.get_logger("tendon")


class _Counted(msgspec.Struct):
    """`first` writes the first row, `entry` is the latest entry of the kind, `count` is how many entries are not yet
    written."""

    first: asyncio.Task[None]
    entry: AuditEntry
    since: float
    count: int = 0


class Repeats:
    """The counts of one process. If it is killed, up to a minute's counts are lost, but never the first row of a
    kind."""

    def __init__(
        self,
        write: Write,
        *,
        interval: float = _INTERVAL,
        kinds: int = _KINDS,
        kinds_per_caller: int = _KINDS_PER_CALLER,
    ) -> None:
        self._write = write
        self._interval = interval
        self._most = kinds
        self._kinds_per_caller = kinds_per_caller
        self._kinds: dict[Kind, _Counted] = {}
        self._callers: Counter[tuple[str | None, str | None]] = Counter()
        self._overflowing = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def record(self, entry: AuditEntry) -> None:
        """Returns once a row of the kind is stored, for this entry or an earlier one. Raises what `write` raises."""
        kind = Kind.from_entry(entry)
        if kind not in self._kinds and self._callers[kind.caller] >= self._kinds_per_caller:
            entry = replace(entry, subject=None, connection_id=None)
            kind = Kind.from_entry(entry)
        if kind not in self._kinds and len(self._kinds) - self._overflowing >= self._most:
            # The row of an overflow kind names no user.
            entry = replace(
                entry, actor=None, user=None, client_id=None, subject=None, provider=None, connection_id=None
            )
            kind = Kind.from_entry(entry)
        counted = self._kinds.get(kind)
        if counted is None:
            counted = self._begin(kind, entry)
        else:
            counted.entry = entry
            counted.count += 1
        # A caller that disconnects must not cancel the write for the others.
        await asyncio.shield(counted.first)

    async def close(self) -> None:
        """Write all counts. Nothing is written later, because the database may be closed next."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._write_out(list(self._kinds.items()))
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, kind: Kind, entry: AuditEntry) -> _Counted:
        if kind.is_overflow:
            self._overflowing += 1
            log.warning("audit.overflow", action=entry.action, outcome=entry.outcome)
        loop = asyncio.get_running_loop()
        first = self._start(self._write(entry, 1))
        counted = self._kinds[kind] = _Counted(first, entry, loop.time())
        self._callers[kind.caller] += 1
        first.add_done_callback(lambda task: self._written(kind, counted, task))
        if self._timer is None:
            self._arm(loop.time() + self._interval)
        return counted

    def _arm(self, when: float) -> None:
        """`when` is a time of the running loop."""
        if not self._closed:
            self._timer = asyncio.get_running_loop().call_at(when, self._tick)

    def _written(self, kind: Kind, counted: _Counted, task: asyncio.Task[None]) -> None:
        """Forget a kind whose first row could not be written, so that the next entry tries again."""
        if (task.cancelled() or task.exception()) and self._kinds.get(kind) is counted:
            self._forget(kind)

    def _forget(self, kind: Kind) -> None:
        del self._kinds[kind]
        self._overflowing -= kind.is_overflow
        self._callers[kind.caller] -= 1
        if not self._callers[kind.caller]:
            del self._callers[kind.caller]

    def _tick(self) -> None:
        self._timer = None
        self._start(self._write_due())

    async def _write_due(self) -> None:
        loop = asyncio.get_running_loop()
        past = loop.time() - self._interval
        await self._write_out([(kind, counted) for kind, counted in self._kinds.items() if counted.since <= past])
        if self._kinds and self._timer is None:
            self._arm(min(counted.since for counted in self._kinds.values()) + self._interval)

    async def _write_out(self, kinds: Sequence[tuple[Kind, _Counted]]) -> None:
        for kind, counted in kinds:
            if counted.count or self._kinds.get(kind) is not counted:
                continue
            if counted.first.done():
                self._forget(kind)
            else:
                # Its first row is still being written. Without this, the timer would fire again at once.
                counted.since = asyncio.get_running_loop().time()
        due = [counted for _, counted in kinds if counted.count]
        for start in range(0, len(due), _CONCURRENT_WRITES):
            await asyncio.gather(*(self._write_count(counted) for counted in due[start : start + _CONCURRENT_WRITES]))

    async def _write_count(self, counted: _Counted) -> None:
        count, counted.count = counted.count, 0
        counted.since = asyncio.get_running_loop().time()
        # The first row has stored the caller's id, and the user may have been forgotten since.
        entry = replace(counted.entry, user=None)
        try:
            await self._write(entry, count)
        except DatabaseDown as fault:
            counted.count += count
            log.warning("audit.delayed", error=fault.reason, count=count)

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
