"""The load generator: a separate process that sends requests, checks every response, and measures how long they took.

The process reads a Job as one line of JSON, and writes the job's Result as another.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import IO, Any, cast

import uvloop

from benchmarks import workload
from benchmarks.http1 import Message, Reader
from benchmarks.installing import ROOT

# Seconds. A server may close an idle connection, so older ones are not used again.
_MAX_IDLE = 2.0
# Seconds to wait for the last responses.
_PATIENCE = 30.0
_SHOWN = 3


@dataclass(frozen=True)
class Job:
    """Requests with the numbers from `first` up to `last`, for at most `seconds`.

    In a closed loop, `width` requests are in flight at any time. With `rate`, an open loop starts that many requests a
    second, whatever the responses are. `listed` is the length of the lists that are requested.
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
    """`next` is the first number that was not used. Latencies are in milliseconds since the request was due.

    `repeat` has the numbers of requests whose response says to send them again. They don't count as answered.
    """

    next: int = 0
    answered: int = 0
    repeat: list[int] = field(default_factory=list[int])
    wrong: int = 0
    seconds: float = 0
    p50: float = 0
    p99: float = 0
    shown: list[str] = field(default_factory=list[str])


class GeneratorEnded(Exception):
    """The generator could not do its job, so nothing is known about the contender."""


class LoadGenerator:
    """The generator's process. It is started once, so that its start is not part of any measurement."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load_generator"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def load(self, job: Job) -> Result:
        """Raises GeneratorEnded; the cause is then on standard error."""
        _pipe(self._process.stdin).write(json.dumps(asdict(job)) + "\n")
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise GeneratorEnded(f"the generator ended with {self._process.wait()} at {job}")
        members: dict[str, Any] = json.loads(line)
        return Result(**members)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            _pipe(pipe).close()


class ClientConnection(asyncio.Protocol):
    """One connection, with at most one request in flight."""

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
    """The requests of a job, and their responses."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.request = workload.request(job.operation, job.interface, job.listed)
        self.result = Result(next=job.first)
        self._fits = workload.check(job.operation, job.interface, job.listed)
        self._connections: list[ClientConnection] = []
        self._waits: list[float] = []
        self._in_flight = 0
        self._idle: list[ClientConnection] = []
        self._ended = asyncio.Event()

    async def run(self) -> Result:
        connections = [await self._connect() for _ in range(self.job.width)]
        began = perf_counter()
        self._end = began + self.job.seconds
        if self.job.rate is None:
            for connection in connections:
                self._next(connection, perf_counter())
        else:
            self._idle = connections
            await self._open_loop(self.job.rate)
        async with asyncio.timeout(self.job.seconds + _PATIENCE):
            await self._ended.wait()
        seconds = perf_counter() - began
        for connection in self._connections:
            connection.transport.close()
        return self._result(seconds)

    def answered(self, connection: ClientConnection, number: int, answer: Message) -> None:
        if self._fits(number, answer.status, answer.body):
            self._waits.append(connection.used - connection.due)
            self.result.answered += 1
        elif workload.asks_to_repeat(answer.status, answer.head, answer.body):
            self.result.repeat.append(number)
            # What follows would not count either.
            self._end = 0.0
        else:
            self._note_fault(f"{answer.status} {answer.body[:300]!r}")
        self._continue(connection)

    def lost(self, connection: ClientConnection, why: str) -> None:
        self._note_fault(why)
        connection.number = -1
        self._in_flight -= 1
        self._end = 0.0
        self._end_if_done()

    def _note_fault(self, what: str) -> None:
        self.result.wrong += 1
        if len(self.result.shown) < _SHOWN:
            self.result.shown.append(what)

    def _continue(self, connection: ClientConnection) -> None:
        self._in_flight -= 1
        if self.job.rate is None:
            self._next(connection, connection.used)
        else:
            self._idle.append(connection)
        self._end_if_done()

    def _end_if_done(self) -> None:
        if not self._in_flight and (perf_counter() >= self._end or self.result.next >= self.job.last):
            self._ended.set()

    def _next(self, connection: ClientConnection, due: float) -> None:
        if due < self._end and self.result.next < self.job.last:
            self._in_flight += 1
            # It may be set, because nothing was in flight while a new connection was opened.
            self._ended.clear()
            connection.send(self.result.next, due)
            self.result.next += 1

    async def _open_loop(self, rate: float) -> None:
        """Send requests at `rate`, even if the server falls behind."""
        due = perf_counter()
        while due < self._end and self.result.next < self.job.last:
            while due <= perf_counter() and due < self._end:
                self._next(self._idle_connection() or await self._connect(), due)
                due += 1 / rate
            await asyncio.sleep(max(due - perf_counter(), 0))
        self._end = 0.0
        self._end_if_done()

    def _idle_connection(self) -> ClientConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing() and (
                not connection.used or perf_counter() - connection.used < _MAX_IDLE
            ):
                return connection
            connection.transport.close()
        return None

    async def _connect(self) -> ClientConnection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: ClientConnection(self), "127.0.0.1", self.job.port)
        self._connections.append(connection)
        return connection

    def _result(self, seconds: float) -> Result:
        ordered = sorted(self._waits) or [0.0]
        at = len(ordered) - 1
        self.result.seconds = seconds
        self.result.p50, self.result.p99 = (ordered[round(at * share)] * 1000 for share in (0.5, 0.99))
        return self.result


async def run(job: Job) -> Result:
    return await Load(job).run()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def main() -> None:
    for given in sys.stdin:
        members: dict[str, Any] = json.loads(given)
        print(json.dumps(asdict(uvloop.run(run(Job(**members))))), flush=True)


if __name__ == "__main__":
    main()
