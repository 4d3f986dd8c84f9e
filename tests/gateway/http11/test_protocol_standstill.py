"""A process that was stopped or swapped out reads its sockets before it enforces a time limit.

The process of the tests stands still by blocking its event loop. Clients send to the kernel meanwhile. asyncio looks at
its sockets before its timers, and uvloop, which `tendon serve` uses, at its timers first.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pytest
import uvloop
from starlette.types import Receive, Scope, Send

from gateway.http11.protocol import BoundedProtocol
from rest.json_http import answer
from tests.gateway.http11.loopback_app import get, head, served, until

LIMIT = 0.3
LARGE = 8_000_000
POST = head("Host: test", "Content-Length: 60000")
GET = get("/")


class Hasty(BoundedProtocol):
    head_seconds = LIMIT
    body_seconds = LIMIT
    response_seconds = LIMIT
    made: ClassVar[list[Hasty]] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.read = 0
        self.made.append(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.read += len(data)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await answer("x" * LARGE if scope["path"] == "/large" else size)(scope, receive, send)


@dataclass
class Client:
    """A connection of which the server has read what was sent so far."""

    socket: socket.socket
    server: Hasty

    def send(self, data: bytes) -> None:
        """To the kernel, at once."""
        assert self.socket.send(data) == len(data)

    async def receive(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 65_536), 20)

    async def status(self) -> int:
        """That of the next response, which is read to its end."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += await self.receive() or pytest.fail("hung up")
        fields, _, body = received.partition(b"\r\n\r\n")
        length = int(fields.lower().partition(b"content-length: ")[2].split()[0])
        while len(body) < length:
            body += await self.receive() or pytest.fail("hung up")
        return int(fields[9:12])


async def connect(port: int, *sent: bytes) -> list[Client]:
    """A connection for each, on which that is sent."""
    Hasty.made.clear()
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in sent]
    await until(lambda: len(Hasty.made) == len(lines))
    servers = {connection.client[1]: connection for connection in Hasty.made if connection.client}
    clients = [Client(line, servers[line.getsockname()[1]]) for line in lines]
    for client, data in zip(clients, sent, strict=True):
        client.socket.setblocking(False)
        client.send(data)
    await until(lambda: [client.server.read for client in clients] == [len(data) for data in sent])
    return clients


def stand_still(seconds: float) -> None:
    time.sleep(seconds)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[int], Awaitable[None]]], None]:
    """Runs a test in an event loop of its own, with the port of the app."""

    def run_with_port(test: Callable[[int], Awaitable[None]]) -> None:
        async def serve() -> None:
            async with served(app, Hasty, keep_alive=cast("Any", LIMIT)) as port:
                await test(port)

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(serve())

    return run_with_port


Run = Callable[[Callable[[int], Awaitable[None]]], None]
# What has been read before the process stands still, and what arrives meanwhile.
ARRIVALS = {
    "all": (b"", GET),
    "half a head": (GET[:10], GET[10:]),
    "a body": (POST, bytes(60_000)),
    "head and body": (POST[:30], POST[30:] + bytes(60_000)),
    "the next request": (GET, GET),
}


# Until the timers are due, and until they are late by more than they may be extended.
@pytest.mark.parametrize("seconds", [LIMIT, 3 * LIMIT], ids=["on time", "late"])
def test_data_that_arrived_meanwhile_is_answered(run: Run, seconds: float) -> None:
    async def test(port: int) -> None:
        clients = await connect(port, *(before for before, _ in ARRIVALS.values()))
        assert await clients[-1].status() == 200
        for client, (_, after) in zip(clients, ARRIVALS.values(), strict=True):
            client.send(after)
        stand_still(seconds)
        statuses = [await client.status() for client in clients]
        assert dict(zip(ARRIVALS, statuses, strict=True)) == dict.fromkeys(ARRIVALS, 200)
        for client in clients:
            client.socket.close()

    run(test)


def test_a_response_that_was_read_meanwhile_is_finished(run: Run) -> None:
    async def test(port: int) -> None:
        [client] = await connect(port, get("/large"))
        with closing(client.socket):
            await until(lambda: client.server.flow.write_paused)
            received = 0
            try:
                while True:
                    received += len(client.socket.recv(1 << 20))
            except BlockingIOError:
                stand_still(3 * LIMIT)
            while received < LARGE and (piece := await client.receive()):
                received += len(piece)
            assert received > LARGE

    run(test)


def test_a_slow_request_still_ends(run: Run) -> None:
    """Its limit is extended by its own length, and not for ever."""

    async def test(port: int) -> None:
        [client] = await connect(port, GET[:10])
        with closing(client.socket):
            stand_still(3 * LIMIT)
            assert await client.status() == 408

    run(test)


def test_an_idle_connection_still_ends(run: Run) -> None:
    async def test(port: int) -> None:
        [client] = await connect(port, GET)
        with closing(client.socket):
            assert await client.status() == 200
            stand_still(3 * LIMIT)
            assert await client.receive() == b""

    run(test)
