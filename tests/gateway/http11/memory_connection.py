"""Connections without sockets, on which a test decides when each side reads. They work in virtual time, too."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from gateway.http11.protocol import BoundedProtocol
from tests.gateway.virtual_time import settle

# Bytes that the server may have written, and the client not read, before the server is told to pause.
HIGH_WATER = 65_536


class MemoryServer:
    """An app behind our protocol."""

    def __init__(self, app: ASGIApp, protocol: type[BoundedProtocol] = BoundedProtocol, keep_alive: int = 75) -> None:
        self.state = ServerState()
        self._config = uvicorn.Config(app, log_config=None, ws="none", timeout_keep_alive=keep_alive)
        self._protocol = protocol

    def connect(self) -> MemoryConnection:
        return MemoryConnection(self._protocol(config=self._config, server_state=self.state, app_state={}))

    def shut_down(self) -> None:
        """As uvicorn does it to its connections."""
        for connection in list(self.state.connections):
            connection.shutdown()


class MemoryConnection(asyncio.Transport):
    """The client's end. `received` is what it has read; it reads at once, unless `reads` is false. `writes` is what the
    server has written, each time."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.received = b""
        self.writes: list[bytes] = []
        self.reads = True
        self.closed = False
        # Whether the server reads.
        self.is_read = True
        self._closing = False
        self._unread = b""
        self._unsent = b""
        self._writing_paused = False
        self._end = asyncio.Event()
        self._arrived = asyncio.Event()
        protocol.connection_made(self)

    async def send(self, data: bytes) -> None:
        """And let the server do what it does before the next timer."""
        self.send_only(data)
        await settle()

    def send_only(self, data: bytes) -> None:
        self._unsent += data
        self._deliver()

    async def read(self) -> None:
        """All that the server has written so far, and at once from now on."""
        self.reads = True
        self.received, self._unread = self.received + self._unread, b""
        if self._closing:
            self._lose(None)
        elif self._writing_paused:
            self._writing_paused = False
            self.protocol.resume_writing()
        await settle()

    async def response(self) -> bytes:
        """What is received next."""
        self.received = b""
        self._arrived.clear()
        await self._arrived.wait()
        return self.received

    async def leave(self) -> None:
        self._lose(ConnectionResetError())
        await settle()

    async def ended(self) -> bytes:
        """What was received when the server has closed the connection."""
        await self._end.wait()
        return self.received

    def _deliver(self) -> None:
        if self._unsent and self.is_read and not self._closing:
            data, self._unsent = self._unsent, b""
            self.protocol.data_received(data)

    def _lose(self, error: Exception | None) -> None:
        self._closing = True
        if not self.closed:
            self.closed = True
            self._end.set()
            self.protocol.connection_lost(error)

    # The server's end.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closed:
            return
        self.writes.append(bytes(data))
        if self.reads:
            self.received += data
            self._arrived.set()
            return
        self._unread += data
        if len(self._unread) > HIGH_WATER and not self._writing_paused:
            self._writing_paused = True
            self.protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return len(self._unread)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self._unread:
                self.protocol.loop.call_soon(self._lose, None)

    def abort(self) -> None:
        self._closing = True
        self._unread = b""
        self.protocol.loop.call_soon(self._lose, None)

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True
        self.protocol.loop.call_soon(self._deliver)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 40_000), "sockname": ("192.0.2.2", 80)}.get(name, default)


async def exchange(server: MemoryServer, *parts: bytes) -> bytes:
    """Send the parts, and return what was received when the server has closed the connection."""
    connection = server.connect()
    for part in parts:
        await connection.send(part)
    return await connection.ended()
