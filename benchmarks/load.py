"""The load generator: a process of its own that asks, checks every answer, and says how long they took.

Each line that it reads is a Job as JSON, each line that it writes the job's Result.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any, cast

import uvloop

from benchmarks import workload
from benchmarks.http1 import Message, Reader

# Seconds after which a server may close a connection that nobody uses, so we use none that old.
_STALE = 2.0
# Seconds to wait for the last answers.
_PATIENCE = 30.0
_SHOWN = 3


@dataclass(frozen=True)
class Job:
    """Requests with the numbers from `first` up to `last`, for at most `seconds`.

    `width` are under way at any time; or, with `rate`, so many begin a second, whatever comes back. `listed` is how
    many connections those have who ask for theirs.
    """

    port: int
    operation: str
    interface: str
    first: int
    last: int
    seconds: float
    width: int = 32
    rate: float | None = None
    listed: int = workload.LISTED


@dataclass
class Result:
    """`next` is the first number that was not used; the latencies are milliseconds, from when a request was due."""

    next: int = 0
    answered: int = 0
    wrong: int = 0
    seconds: float = 0
    p50: float = 0
    p99: float = 0
    shown: list[str] = field(default_factory=list[str])


class Line(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._reader = Reader()
        self.number = -1
        self.due = self.used = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, number: int, due: float) -> None:
        self.number, self.due = number, due
        self.transport.write(self._load.request(number))

    def data_received(self, data: bytes) -> None:
        answer = self._reader.feed(data)
        if answer is not None:
            self.used = perf_counter()
            number, self.number = self.number, -1
            self._load.answered(self, number, answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.number >= 0:
            self._load.lost(self, f"connection lost: {exc}")


class Load:
    """The requests of a job and what came back."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.request = workload.request(job.operation, job.interface, job.listed)
        self.result = Result(next=job.first)
        self._fits = workload.check(job.operation, job.interface, job.listed)
        self._lines: list[Line] = []
        self._waits: list[float] = []
        self._under_way = 0
        self._idle: list[Line] = []
        self._ended = asyncio.Event()

    async def run(self) -> Result:
        lines = [await self._line() for _ in range(self.job.width)]
        began = perf_counter()
        self._end = began + self.job.seconds
        if self.job.rate is None:
            for line in lines:
                self._next(line, perf_counter())
        else:
            self._idle = lines
            await self._pour(self.job.rate)
        async with asyncio.timeout(self.job.seconds + _PATIENCE):
            await self._ended.wait()
        seconds = perf_counter() - began
        for line in self._lines:
            line.transport.close()
        return self._told(seconds)

    def answered(self, line: Line, number: int, answer: Message) -> None:
        self._waits.append(line.used - line.due)
        self.result.answered += 1
        if not self._fits(number, answer.status, answer.body):
            self._blame(f"{answer.status} {answer.body[:300]!r}")
        self._after(line)

    def lost(self, line: Line, why: str) -> None:
        self._blame(why)
        line.number = -1
        self._under_way -= 1
        self._end = 0.0
        self._look()

    def _blame(self, what: str) -> None:
        self.result.wrong += 1
        if len(self.result.shown) < _SHOWN:
            self.result.shown.append(what)

    def _after(self, line: Line) -> None:
        self._under_way -= 1
        if self.job.rate is None:
            self._next(line, line.used)
        else:
            self._idle.append(line)
        self._look()

    def _look(self) -> None:
        if not self._under_way and (perf_counter() >= self._end or self.result.next >= self.job.last):
            self._ended.set()

    def _next(self, line: Line, due: float) -> None:
        if due < self._end and self.result.next < self.job.last:
            self._under_way += 1
            # It may be set: a connection was waited for, and meanwhile nothing was under way.
            self._ended.clear()
            line.send(self.result.next, due)
            self.result.next += 1

    async def _pour(self, rate: float) -> None:
        """An open loop: a server that falls behind is not spared."""
        due = perf_counter()
        while due < self._end and self.result.next < self.job.last:
            while due <= perf_counter() and due < self._end:
                self._next(self._fresh() or await self._line(), due)
                due += 1 / rate
            await asyncio.sleep(max(due - perf_counter(), 0))
        self._end = 0.0
        self._look()

    def _fresh(self) -> Line | None:
        while self._idle:
            line = self._idle.pop()
            if not line.transport.is_closing() and (not line.used or perf_counter() - line.used < _STALE):
                return line
            line.transport.close()
        return None

    async def _line(self) -> Line:
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(lambda: Line(self), "127.0.0.1", self.job.port)
        self._lines.append(line)
        return line

    def _told(self, seconds: float) -> Result:
        ordered = sorted(self._waits) or [0.0]
        at = len(ordered) - 1
        self.result.seconds = seconds
        self.result.p50, self.result.p99 = (ordered[round(at * share)] * 1000 for share in (0.5, 0.99))
        return self.result


async def run(job: Job) -> Result:
    return await Load(job).run()


def main() -> None:
    for given in sys.stdin:
        members: dict[str, Any] = json.loads(given)
        print(json.dumps(asdict(uvloop.run(run(Job(**members))))), flush=True)


if __name__ == "__main__":
    main()
