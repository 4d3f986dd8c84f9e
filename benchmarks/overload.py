"""Sends five times the load that Tendon can handle, and shows which requests are served, how fast, and what others get.

Starts a sandbox and a gateway, prepares callbacks, and measures with a closed loop how many of them the gateway
completes per second. Then it sends five times as many per second, whatever the responses are (an open loop), and
measures how long the gateway takes to recover. A refused callback is sent again later, as Retry-After asks: at the end,
each one must have become a connection. The sending process needs a core of its own: on two cores, gateway and sandbox
share the other one.

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

from benchmarks import proc
from benchmarks.http1 import Message, Reader
from benchmarks.installing import prepare
from tests.processes import Process, tendon

REDIRECT_URI = "https://app.example/oauth/callback"
# Seconds after which the clients give up, and the number of requests that a closed loop keeps in flight.
PATIENCE = 5.0
WIDTH = 32
_LOCATION = re.compile(rb"\r\nlocation: *(\S+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One connection, with at most one request in flight."""

    def __init__(self) -> None:
        self.response: asyncio.Future[Message] | None = None
        self.transport: asyncio.Transport | None = None
        self._reader = Reader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if response := self._reader.feed(data):
            self._settle(response)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._settle(exc or ConnectionResetError())

    def _settle(self, result: Message | Exception) -> None:
        if self.response is None or self.response.done():
            return
        if isinstance(result, Exception):
            self.response.set_exception(result)
        else:
            self.response.set_result(result)


class Client:
    """As many persistent connections to one port as there are requests in flight."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []

    async def ask(self, request: bytes) -> Message:
        connection = await self._connect()
        transport = connection.transport
        assert transport is not None
        connection.response = asyncio.get_running_loop().create_future()
        transport.write(request)
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await connection.response
        except TimeoutError:
            transport.abort()
            raise
        if b"\r\nconnection: close" in answer.head:
            transport.close()
        else:
            self._idle.append(connection)
        return answer

    async def _connect(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.transport is not None and not connection.transport.is_closing():
                return connection
        return (await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port))[1]


def request(method: str, path: str, user: str = "nobody", members: object = None) -> bytes:
    body = b"" if members is None else json.dumps(members).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer dev:{user}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Tally:
    """The responses. `waits` are the seconds that each admitted request took."""

    outcomes: Counter[str] = field(default_factory=Counter[str])
    waits: list[float] = field(default_factory=list[float])
    unhelpful: int = 0

    async def measure(self, sending: Awaitable[Message]) -> bool:
        """Whether the callback was completed."""
        began = time.perf_counter()
        try:
            answer = await sending
        except (TimeoutError, OSError) as failure:
            self.outcomes["timed out" if isinstance(failure, TimeoutError) else "connection lost"] += 1
            return False
        self.outcomes[str(answer.status)] += 1
        if answer.status in (429, 503):
            self.unhelpful += b"\r\nretry-after: " not in answer.head
        else:
            self.waits.append(time.perf_counter() - began)
        return answer.status == 201

    def as_text(self, seconds: float) -> str:
        total = sum(self.outcomes.values())
        shares = ", ".join(f"{what} {count / total:.1%}" for what, count in self.outcomes.most_common())
        p50, p99 = (percentile(self.waits, share) * 1000 for share in (0.5, 0.99))
        served = self.outcomes["201"] / seconds
        return f"{served:5.0f} completed per second; p50 {p50:.0f} ms, p99 {p99:.0f} ms of admitted requests; {shares}"


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
    """Callbacks as requests, each for a different user."""
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
    """The number of callbacks that are completed per second."""
    tally, client = Tally(), Client(gateway.port)
    began = time.perf_counter()
    await each(lambda callback: tally.measure(client.ask(callback)), (due.popleft() for _ in range(count)))
    seconds = time.perf_counter() - began
    print(f"capacity    {tally.as_text(seconds)}")
    return tally.outcomes["201"] / seconds


async def flood(gateway: Process, due: deque[bytes], rate: float, seconds: float) -> Tally:
    """Sends `rate` callbacks per second. Those that are refused go to the end of the queue `due`."""
    tally, client = Tally(), Client(gateway.port)
    running: set[asyncio.Task[None]] = set()
    end = time.perf_counter() + seconds
    due_at = time.perf_counter()

    async def send(callback: bytes) -> None:
        if not await tally.measure(client.ask(callback)):
            due.append(callback)

    while (now := time.perf_counter()) < end:
        while due_at <= now and due:
            task = asyncio.create_task(send(due.popleft()))
            running.add(task)
            task.add_done_callback(running.discard)
            due_at += 1 / rate
        await asyncio.sleep(0.002)
    await asyncio.gather(*running)
    return tally


async def latency(gateway: Process, path: str, rounds: int) -> float:
    """The median in seconds of several requests, one after the other."""
    client, waits = Client(gateway.port), list[float]()
    for _ in range(rounds):
        began = time.perf_counter()
        await client.ask(request("GET", path))
        waits.append(time.perf_counter() - began)
    return statistics.median(waits)


async def recovery(gateway: Process, path: str, normal: float) -> float:
    """The seconds until a request takes at most twice as long as usual, plus 5 ms."""
    began = time.perf_counter()
    while await _slow(gateway, path, 2 * normal + 0.005):
        pass
    return time.perf_counter() - began


async def _slow(gateway: Process, path: str, bound: float) -> bool:
    try:
        return await latency(gateway, path, 5) > bound
    except (TimeoutError, OSError):
        return True


async def bench(gateway: Process, sandbox: Process, chosen: argparse.Namespace) -> None:
    settings = {"slug": "sandbox", "code_life": 900}
    response = await Client(sandbox.port).ask(request("PUT", "/_control/settings", members=settings))
    assert response.status == 200, response.body
    due = await callbacks(gateway, sandbox, chosen.callbacks)
    path = "/v1/connections?userId=nobody"
    normal = await latency(gateway, path, 100)
    rate = await capacity(gateway, due, min(1000, chosen.callbacks // 4)) * chosen.times
    before = proc.memory_mb(gateway.pid)
    tally = await flood(gateway, due, rate, chosen.seconds)
    again = await recovery(gateway, path, normal)
    print(f"sent        {rate:5.0f} per second for {chosen.seconds:.0f} s, {len(due)} callbacks are left")
    print(f"overload    {tally.as_text(chosen.seconds)}; {tally.unhelpful} refusals without Retry-After")
    print(f"memory      {before:.0f} MB before, {proc.memory_mb(gateway.pid):.0f} MB after")
    print(f"recovery    {again:.2f} s until a list takes as long as before ({normal * 1000:.1f} ms)")
    last, client = Tally(), Client(gateway.port)
    await each(lambda callback: last.measure(client.ask(callback)), list(due))
    print(f"afterwards  {dict(last.outcomes)} of the callbacks that were refused or not yet sent")


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--times", type=float, default=5)
    parser.add_argument("--callbacks", type=int, default=4000)
    parser.add_argument("serve", nargs="*")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = ["--redirect-uri", REDIRECT_URI, "--write-catalogue", str(folder / "catalogue")]
        sandbox = Process("sandbox", *arguments, folder=folder, settings={}, fresh=True)
        settings = {
            "SANDBOX_CLIENT_ID": "tendon",
            "SANDBOX_CLIENT_SECRET": "sandbox",
            "TENDON_AUTH": "dev",
            "TENDON_WORKER": "0",
            "TENDON_SANDBOX": "0",
            "TENDON_CATALOGUE": str(folder / "catalogue"),
            "TENDON_REDIRECT_URIS": REDIRECT_URI,
        } | {name: value for name, value in os.environ.items() if name.startswith("TENDON_")}
        assert tendon("migrate", cwd=folder, settings=settings).returncode == 0
        gateway = Process("serve", *chosen.serve, folder=folder, settings=settings, fresh=True)
        try:
            uvloop.run(bench(gateway, sandbox, chosen))
        finally:
            gateway.stop()
            sandbox.stop()


if __name__ == "__main__":
    main()
