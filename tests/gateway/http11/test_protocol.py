"""Limits on a connection: their number, time limits on heads and bodies, and responses that are not read."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import closing
from typing import ClassVar

import pytest
from starlette.types import Receive, Scope, Send

from gateway.http11.protocol import PIPELINED, BoundedProtocol
from rest.json_http import answer
from tests.gateway.http11.loopback_app import exchange, get, lines, served, until


class Hasty(BoundedProtocol):
    connections_allowed = 4
    head_seconds = 0.3
    body_seconds = 0.6
    response_seconds = 0.5


class App:
    def __init__(self) -> None:
        self.ran = 0
        self.ended = 0
        self.door = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.ran += 1
        if scope["path"] == "/held":
            await self.door.wait()
        if scope["path"] == "/post":
            while (await receive()).get("more_body"):
                pass
        size = {"/large": 20_000_000, "/page": 30_000}.get(scope["path"], 1)
        await answer("x" * size)(scope, receive, send)
        self.ended += 1


@pytest.fixture
async def app() -> App:
    return App()


@pytest.fixture
async def port(app: App) -> AsyncGenerator[int]:
    async with served(app, Hasty) as port:
        yield port
        app.door.set()


POST = b"POST /post HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize(
    "parts",
    [[b""], [b"\r\n"], [b"GET / HT"], [b"GET / HTTP/1.1\r\nHost: test\r\n"], [POST], [POST, b"12345"]],
    ids=["nothing", "a blank line", "half a line", "half a head", "no body", "half a body"],
)
async def test_a_request_that_takes_too_long(app: App, port: int, parts: list[bytes]) -> None:
    began = time.monotonic()
    told = await exchange(port, *parts)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began >= 0.25


async def test_a_slow_head_after_a_request(port: int) -> None:
    told = await exchange(port, get("/"), b"GET / HTTP/1.1\r\n")
    assert [told.count(status) for status in (b"HTTP/1.1 200 ", b"HTTP/1.1 408 ")] == [1, 1]


async def test_a_slow_response_is_not_cut_off(app: App, port: int) -> None:
    """Time limits apply to reading only, even if an empty line arrives while the app runs."""
    async with lines(port, 1) as [(reader, writer)]:
        writer.write(get("/held"))
        await until(lambda: app.ran == 1)
        writer.write(b"\r\n")
        await asyncio.sleep(0.8)
        app.door.set()
        assert (await reader.readuntil(b'"x"')).startswith(b"HTTP/1.1 200 ")


async def test_a_response_that_is_not_read(app: App, port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    with closing(writer):
        writer.write(get("/large"))
        await until(lambda: app.ended == 1)


class Watched(Hasty):
    """Records its connections."""

    made: ClassVar[list[Watched]] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.made.append(self)


@pytest.mark.parametrize("close", [True, False], ids=["closed", "idle"])
async def test_a_short_response_that_is_not_read(app: App, close: bool) -> None:
    """It is too small to pause writing, and yet the connection does not stay open."""
    Watched.made.clear()
    async with served(app, Watched, keep_alive=1) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        with closing(writer):
            await until(lambda: bool(Watched.made))
            connection = Watched.made[0]
            while not connection.transport.get_write_buffer_size():
                ended = app.ended
                writer.write(get("/page"))
                await until(lambda ended=ended: app.ended > ended)
            if close:
                writer.write(get("/", "Connection: close"))
            await until(lambda: connection not in connection.connections)


async def test_too_many_pipelined_requests(app: App, port: int) -> None:
    """The first ones are answered, then the connection is closed."""
    async with lines(port, 1) as [(reader, writer)]:
        writer.write(get("/held") + get("/") * 2000)
        await until(lambda: app.ran == 1)
        app.door.set()
        received = await asyncio.wait_for(reader.read(), 20)
    assert received.count(b"HTTP/1.1 200 ") == PIPELINED + 1
    assert received.count(b"HTTP/1.1 400 ") == 1
    assert app.ran == PIPELINED + 1


async def test_pipelined_requests(app: App, port: int) -> None:
    told = await exchange(port, get("/") * PIPELINED + get("/", "Connection: close"))
    assert told.count(b"HTTP/1.1 200 ") == PIPELINED + 1


async def test_a_connection_beyond_the_limit(app: App, port: int) -> None:
    """It gets a 503 in the format of its interface, and health checks are still answered."""
    async with lines(port, 4) as held:
        for _, writer in held:
            writer.write(get("/held"))
        await until(lambda: app.ran == 4)
        await _gets_503(port)
        assert (await exchange(port, get("/livez", "Connection: close"))).startswith(b"HTTP/1.1 200 ")
        app.door.set()
        for reader, _ in held:
            assert (await reader.readuntil(b'"x"')).startswith(b"HTTP/1.1 200 ")


async def _gets_503(port: int) -> None:
    head, _, body = (await exchange(port, get("/v1/connections"))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 1\r\n" in head.lower()
    assert json.loads(body)["error"] == "service_unavailable"
    accept = "Accept: application/graphql-response+json"
    head, _, body = (await exchange(port, get("/graphql?query=x", accept))).partition(b"\r\n\r\n")
    assert b"application/graphql-response+json" in head
    assert json.loads(body)["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"


async def test_far_too_many_connections(port: int) -> None:
    """Beyond the spare ones, connections are dropped. When they have ended, new ones are accepted again."""
    dropped = 0
    # At once: the first ones must not time out before the last ones are open.
    async with lines(port, 150) as many:
        for reader, _ in many:
            try:
                dropped += await asyncio.wait_for(reader.read(), 20) == b""
            except ConnectionResetError:
                dropped += 1
    assert dropped >= 40
    async with asyncio.timeout(20):
        while not (await exchange(port, get("/", "Connection: close"))).startswith(b"HTTP/1.1 200 "):
            pass
