"""A small app behind our own protocol on a loopback port, and a client that sends bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from gateway.http11.protocol import BoundedProtocol


@asynccontextmanager
async def served(
    app: ASGIApp, protocol: type[BoundedProtocol] = BoundedProtocol, keep_alive: int = 5
) -> AsyncGenerator[int]:
    """The port where the app is served until the block ends. What is in progress then is cut off."""
    state = ServerState()
    config = uvicorn.Config(app, http=protocol, log_config=None, ws="none", timeout_keep_alive=keep_alive)
    # Without uvicorn's server, which looks only ten times a second whether it should end.
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", backlog=2048
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        connections: list[Any] = list(state.connections)
        for connection in connections:
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(state.tasks)
        await server.wait_closed()


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what it waits for happens in other people's code
            await asyncio.sleep(0.005)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def lines(port: int, count: int) -> AsyncGenerator[list[Line]]:
    """That many connections, opened at once and closed at the end of the block."""
    making = (asyncio.open_connection("127.0.0.1", port) for _ in range(count))
    made = await asyncio.gather(*making, return_exceptions=True)
    opened = [line for line in made if not isinstance(line, BaseException)]
    try:
        assert len(opened) == count, made
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def exchange(port: int, *parts: bytes) -> bytes:
    """Send the parts, each after the server has read the one before, and read until it closes the connection."""
    async with lines(port, 1) as [(reader, writer)]:
        for number, part in enumerate(parts):
            if number:
                await let_read()
            writer.write(part)
        return await _rest(reader.read())


async def let_read() -> None:
    """Let a server in this event loop read what it was sent. If it reads that only with what is sent next, it has been
    cut at one place less."""
    for _ in range(4):
        await asyncio.sleep(0)
    await asyncio.sleep(0.0005)


async def at_once(port: int, requests: Sequence[bytes]) -> list[Answer]:
    """Each on a connection of its own, all of them open before the first byte is sent."""
    async with lines(port, len(requests)) as opened:
        for (_, writer), request in zip(opened, requests, strict=True):
            writer.write(request)
        return [_answer(await _rest(reader.read())) for reader, _ in opened]


def _answer(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *fields = head.decode("latin-1").split("\r\n")
    headers = dict(field.lower().split(": ", 1) for field in fields)
    return Answer(int(first.split()[1]), headers, json.loads(body))


async def _rest(reading: Awaitable[bytes]) -> bytes:
    async with asyncio.timeout(20):
        try:
            return await reading
        except ConnectionResetError:
            return b""


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: test", *lines, "", ""]).encode()


def post(path: str, value: object, *lines: str) -> bytes:
    body = json.dumps(value).encode()
    head = [f"POST {path} HTTP/1.1", "Host: test", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


def head(*lines: str, start: str = "POST / HTTP/1.1") -> bytes:
    return "\r\n".join([start, *lines, "", ""]).encode("latin-1")
