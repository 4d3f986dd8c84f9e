"""An authorization server on a loopback port, as good or as bad as a test wants it: it answers what it is told to."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, unquote_plus


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)

    @property
    def basic(self) -> tuple[str, str]:
        """The client's name and secret, read as RFC 6749 2.3.1 has them."""
        kind, _, pair = self.headers["authorization"].partition(" ")
        assert kind == "Basic"
        name, _, secret = base64.b64decode(pair, validate=True).decode("ascii").partition(":")
        return unquote_plus(name, errors="strict"), unquote_plus(secret, errors="strict")


@dataclass(frozen=True)
class Reply:
    """`held` keeps the answer back until it is set; `drip` is seconds before every single byte of the body."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    held: asyncio.Event | None = None
    drip: float | None = None


def answer(value: object, held: asyncio.Event | None = None) -> Reply:
    return Reply(json.dumps(value).encode(), held=held)


GOOD = b'{"active": true, "keys": []}'

# What no endpoint should answer with, whatever it was asked: by name, for parametrize.
BAD_REPLIES: dict[str, Reply] = {
    **{str(status): Reply(GOOD, status=status) for status in (201, 203, 400, 401, 403, 404, 429, 500, 502, 503)},
    "204": Reply(b"", status=204),
    "redirect": Reply(GOOD, status=302, headers={"Location": "/elsewhere"}),
    "redirect to no host": Reply(status=302, headers={"Location": "http://xn---/"}),
    "redirect to no URL": Reply(status=307, headers={"Location": "https://id.example:x/\xff"}),
    "html": Reply(b"<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"}),
    "empty": Reply(b""),
    "list": Reply(b"[]"),
    "not utf-8": Reply(b'{"active": true, "sub": "\xff"}'),
    "duplicate key": Reply(b'{"active": false, "active": true, "keys": [], "keys": []}'),
    "nan": Reply(b'{"active": true, "exp": NaN, "keys": NaN}'),
    "a number out of range": Reply(b'{"active": true, "exp": 1e999, "keys": 1e999}'),
    "deep": Reply(b'{"active": true, "keys": [], "x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
    "huge": Reply(b'{"active": true, "keys": [], "x": "' + b"x" * 3_000_000 + b'"}'),
    "compressed as nobody knows": Reply(b"\x8b\x0d\x80" + GOOD + b"\x03", headers={"Content-Encoding": "br"}),
    "a compressed bomb": Reply(gzip.compress(bytes(8 << 20), mtime=0), headers={"Content-Encoding": "gzip"}),
    "drip": Reply(GOOD, drip=0.05),
    "never": Reply(drip=60),
}
# Those of them that only a time-out ends.
SLOW_REPLIES = {"drip", "never"}


class AuthorizationServer:
    """`reply` decides on each answer; `requests` is what was asked so far, `asked` is set by the first."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        self.reply: Callable[[Request], Reply] = lambda _: Reply(status=500)
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """From here on connections are refused."""
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def start_again(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def always(self, reply: Reply) -> None:
        self.reply = lambda _: reply

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read(reader)
        self.requests.append(request)
        self.asked.set()
        reply = self.reply(request)
        if reply.held is not None:
            await reply.held.wait()
        head = {"Content-Length": str(len(reply.body)), "Connection": "close", **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} So", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        writer.write("\r\n".join(lines).encode("latin-1"))
        if reply.drip is None:
            writer.write(reply.body)
            await writer.drain()
            return
        for byte in reply.body:
            await asyncio.sleep(reply.drip)
            writer.write(bytes([byte]))
            await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)
