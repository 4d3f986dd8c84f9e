"""What happens at five times the load that Tendon can carry: who is served, how fast, and what the others are told.

Starts a sandbox and a gateway, makes callbacks ready to send, measures with a closed loop how many of them a second
the gateway completes, then offers five times as many a second, whatever comes back (an open loop), and looks on while
it recovers. A refused callback is sent again later, as Retry-After asks: at the end each one must have become a
connection. The offering process wants a core of its own: on two cores that leaves one for the gateway and the sandbox.

    .venv/bin/python -m benchmarks.overload [--seconds 20] [--times 5] [--callbacks 4000] [-- ARGUMENTS OF tendon serve]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import tempfile
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import uvloop

from benchmarks import interfaces
from tests.processes import Process, tendon

REDIRECT_URI = "https://app.example/oauth/callback"
# Seconds after which the offering clients give up, and how many requests a closed loop keeps under way.
PATIENCE = 5.0
WIDTH = 32
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    status: int
    head: bytes
    body: bytes


class Line(asyncio.Protocol):
    """One connection with at most one request under way. Every answer of the gateway has a Content-Length."""

    def __init__(self) -> None:
        self.received = b""
        self.answer: asyncio.Future[Answer] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and len(body) >= (int(length[1]) if length else 0):
            self.received = b""
            self._settle(Answer(int(head[9:12]), head + end, body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._settle(exc or ConnectionResetError())

    def _settle(self, result: Answer | Exception) -> None:
        if self.answer is None or self.answer.done():
            return
        if isinstance(result, Exception):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)


class Client:
    """As many connections to one port as requests are under way, kept alive."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Line] = []

    async def ask(self, request: bytes) -> Answer:
        line = await self._line()
        transport = line.transport
        assert transport is not None
        line.answer = asyncio.get_running_loop().create_future()
        transport.write(request)
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await line.answer
        except TimeoutError:
            transport.abort()
            raise
        if b"\r\nconnection: close\r\n" in answer.head:
            transport.close()
        else:
            self._idle.append(line)
        return answer

    async def _line(self) -> Line:
        while self._idle:
            line = self._idle.pop()
            if line.transport is not None and not line.transport.is_closing():
                return line
        return (await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self._port))[1]


def request(method: str, path: str, user: str = "nobody", members: object = None) -> bytes:
    body = b"" if members is None else json.dumps(members).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer dev:{user}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Tally:
    """What came back. `waits` are the seconds that each admitted request took."""

    outcomes: Counter[str] = field(default_factory=Counter[str])
    waits: list[float] = field(default_factory=list[float])
    unhelpful: int = 0

    async def measure(self, sending: Awaitable[Answer]) -> bool:
        """Whether the callback was completed."""
        began = time.perf_counter()
        try:
            answer = await sending
        except (TimeoutError, OSError) as failure:
            self.outcomes["gave up" if isinstance(failure, TimeoutError) else "hung up on"] += 1
            return False
        self.outcomes[str(answer.status)] += 1
        if answer.status in (429, 503):
            self.unhelpful += b"\r\nretry-after: " not in answer.head
        else:
            self.waits.append(time.perf_counter() - began)
        return answer.status == 201

    def told(self, seconds: float) -> str:
        total = sum(self.outcomes.values())
        shares = ", ".join(f"{what} {count / total:.1%}" for what, count in self.outcomes.most_common())
        p50, p99 = (percentile(self.waits, share) * 1000 for share in (0.5, 0.99))
        served = self.outcomes["201"] / seconds
        return f"{served:5.0f} completed a second; p50 {p50:.0f} ms, p99 {p99:.0f} ms of what was admitted; {shares}"


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values) or [0.0]
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


async def each(work: Callable[[bytes], Awaitable[object]], items: Iterable[bytes], width: int = WIDTH) -> None:
    """A closed loop: `width` workers share the items."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    await asyncio.gather(*(worker() for _ in range(width)))


async def callbacks(gateway: Process, sandbox: Process, count: int) -> deque[bytes]:
    """Callbacks that are due, as requests, each of a user of its own."""
    client, provider = Client(gateway.port), Client(sandbox.port)
    members = {"provider": "sandbox", "redirectUri": REDIRECT_URI}
    due: deque[bytes] = deque()

    async def begin(user: bytes) -> None:
        name = user.decode()
        answer = await client.ask(request("POST", "/v1/connections/authorize", name, members))
        assert answer.status == 200, answer.body
        url = urlsplit(str(json.loads(answer.body)["url"]))
        back = await provider.ask(request("GET", f"{url.path}?{url.query}&decision=approve"))
        location = _LOCATION.search(back.head)
        assert location, back.head
        sent = dict(parse_qsl(urlsplit(location[1].decode()).query))
        due.append(request("POST", "/v1/connections/callback", name, members | sent))

    await each(begin, (f"user-{number}".encode() for number in range(count)))
    return due


async def capacity(gateway: Process, due: deque[bytes], count: int) -> float:
    """Callbacks completed a second."""
    tally, client = Tally(), Client(gateway.port)
    began = time.perf_counter()
    await each(lambda callback: tally.measure(client.ask(callback)), (due.popleft() for _ in range(count)))
    seconds = time.perf_counter() - began
    print(f"capacity    {tally.told(seconds)}")
    return tally.outcomes["201"] / seconds


async def flood(gateway: Process, due: deque[bytes], rate: float, seconds: float) -> Tally:
    """Offers `rate` callbacks a second. What is refused goes to the end of the line of those that are due."""
    tally, client = Tally(), Client(gateway.port)
    running: set[asyncio.Task[None]] = set()
    end = time.perf_counter() + seconds
    due_at = time.perf_counter()

    async def offer(callback: bytes) -> None:
        if not await tally.measure(client.ask(callback)):
            due.append(callback)

    while (now := time.perf_counter()) < end:
        while due_at <= now and due:
            task = asyncio.create_task(offer(due.popleft()))
            running.add(task)
            task.add_done_callback(running.discard)
            due_at += 1 / rate
        await asyncio.sleep(0.002)
    await asyncio.gather(*running)
    return tally


async def latency(gateway: Process, path: str, rounds: int) -> float:
    """Seconds, the median of some requests one after another."""
    client, waits = Client(gateway.port), list[float]()
    for _ in range(rounds):
        began = time.perf_counter()
        await client.ask(request("GET", path))
        waits.append(time.perf_counter() - began)
    return statistics.median(waits)


async def recovery(gateway: Process, path: str, normal: float) -> float:
    """Seconds until a request takes no more than twice as long as usual, plus 5 ms."""
    began = time.perf_counter()
    while await _slow(gateway, path, 2 * normal + 0.005):
        pass
    return time.perf_counter() - began


def memory_mb(pid: int) -> float:
    """Of the process and of its workers."""
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(interfaces.memory_mb(process) for process in (pid, *map(int, workers)))


async def _slow(gateway: Process, path: str, bound: float) -> bool:
    try:
        return await latency(gateway, path, 5) > bound
    except (TimeoutError, OSError):
        return True


async def bench(gateway: Process, sandbox: Process, chosen: argparse.Namespace) -> None:
    life = json.dumps({"slug": "sandbox", "code_life": 900}).encode()
    head = f"PUT /_control/settings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(life)}\r\n\r\n".encode()
    await Client(sandbox.port).ask(head + life)
    due = await callbacks(gateway, sandbox, chosen.callbacks)
    path = "/v1/connections?userId=nobody"
    normal = await latency(gateway, path, 100)
    rate = await capacity(gateway, due, min(1000, chosen.callbacks // 4)) * chosen.times
    before = memory_mb(gateway.pid)
    tally = await flood(gateway, due, rate, chosen.seconds)
    again = await recovery(gateway, path, normal)
    print(f"offered     {rate:5.0f} a second for {chosen.seconds:.0f} s, {len(due)} callbacks left over")
    print(f"overload    {tally.told(chosen.seconds)}; {tally.unhelpful} refusals without Retry-After")
    print(f"memory      {before:.0f} MB before, {memory_mb(gateway.pid):.0f} MB after")
    print(f"recovery    {again:.2f} s until a list takes as long as before ({normal * 1000:.1f} ms)")
    last, client = Tally(), Client(gateway.port)
    await each(lambda callback: last.measure(client.ask(callback)), list(due))
    print(f"afterwards  {dict(last.outcomes)} of the callbacks that were refused or not sent yet")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--times", type=float, default=5)
    parser.add_argument("--callbacks", type=int, default=4000)
    parser.add_argument("serve", nargs="*")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = ["--redirect-uri", REDIRECT_URI, "--write-catalogue", str(folder / "catalogue")]
        sandbox = Process("sandbox", *arguments, folder=folder, settings={})
        settings = {
            "SANDBOX_CLIENT_ID": "tendon",
            "SANDBOX_CLIENT_SECRET": "sandbox",
            "TENDON_AUTH": "dev",
            "TENDON_SANDBOX": "0",
            "TENDON_CATALOGUE": str(folder / "catalogue"),
            "TENDON_REDIRECT_URIS": REDIRECT_URI,
        } | {name: value for name, value in os.environ.items() if name.startswith("TENDON_")}
        assert tendon("migrate", cwd=folder, settings=settings).returncode == 0
        gateway = Process("serve", *chosen.serve, folder=folder, settings=settings)
        try:
            uvloop.run(bench(gateway, sandbox, chosen))
        finally:
            gateway.stop()
            sandbox.stop()


if __name__ == "__main__":
    main()
