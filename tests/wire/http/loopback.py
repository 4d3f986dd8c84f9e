"""A server on a loopback port that answers with whatever bytes a test wants, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs


@dataclass
class Asked:
    """A request: its first line, its headers with names in lower case, and its body."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)


Respond = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Loopback:
    port: int = 0
    scheme: str = "http"
    connections: int = 0
    asked: list[Asked] = field(default_factory=list[Asked])
    _open: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """Connections that aren't closed on this side."""
        return len(self._open)

    async def settled(self) -> None:
        """Wait until every connection so far is closed on this side."""
        await asyncio.gather(*self._open)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, respond: Respond) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while asked := await _request(reader):
                self.asked.append(asked)
                await respond(asked, writer)
                await writer.drain()
                if writer.is_closing():
                    break
        except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass  # the client may hang up on us at any time, and so may `close`
        finally:
            self._open.discard(task)
            writer.close()

    async def close(self) -> None:
        waiting = list(self._open)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@asynccontextmanager
async def loopback(respond: Respond, *, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Loopback]:
    here = Loopback(scheme="https" if tls else "http")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await here.serve(reader, writer, respond)

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()
        await here.close()
        await server.wait_closed()


def answering(body: bytes, *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> Respond:
    """The same HTTP answer each time, on a connection that stays open."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    answer = "\r\n".join(lines).encode("latin-1") + body

    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return respond


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in fields)}
    return Asked(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
