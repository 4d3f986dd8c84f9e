"""A line that can be broken: TCP passed on to a port of this machine, refused, stalled, or cut before an answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.processes import free_port

_CHUNK = 64 * 1024


class _Link:
    """One connection and its other half."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self._writers = writers
        self.doomed = False
        self.flowing = asyncio.Event()
        self.flowing.set()

    def cut(self) -> None:
        self.flowing.set()
        for writer in self._writers:
            writer.transport.abort()


class Proxy:
    """Listens on `port` of its own and leads to `target`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.accepted = 0
        self._links: set[_Link] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._replying = asyncio.Event()
        self._replying.set()
        self._trap: bytes | None = None
        self._trapped = 0
        self._stalling = False
        self._late: float | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def refuse(self) -> None:
        """No connection can be made until `open`; those that are there stay."""
        self._server.close()

    def cut(self) -> None:
        """Break all connections."""
        for link in list(self._links):
            link.cut()

    def stall(self) -> None:
        """Nothing comes through any more, in either direction, until `flow`."""
        self._flowing.clear()

    def vanish(self) -> None:
        """Nothing comes through the connections that are open now, ever again. New ones work."""
        for link in self._links:
            link.flowing.clear()

    def hold_replies(self) -> None:
        """Requests come through, and no reply to them until `flow`."""
        self._replying.clear()

    def flow(self) -> None:
        self._trapped = 0
        self._flowing.set()
        self._replying.set()

    def cut_replies(self, to: bytes, times: int) -> None:
        """Pass on the next `times` requests that contain `to`, and cut each connection when the reply comes."""
        self._trap, self._trapped, self._stalling = to, times, False

    def stall_at_reply(self, to: bytes) -> None:
        """Pass on the next request that contains `to`, and stall all connections when the reply comes, until `flow`."""
        self._trap, self._trapped, self._stalling, self._late = to, 1, True, None

    def stall_after_reply(self, to: bytes, late: float) -> None:
        """Pass on the next request that contains `to`, its reply so many seconds late, nothing then until `flow`."""
        self._trap, self._trapped, self._stalling, self._late = to, 1, True, late

    @property
    def sprung(self) -> bool:
        """Whether every request that was waited for has come."""
        return self._trap is not None and self._trapped == 0

    async def close(self) -> None:
        self._server.close()
        self.flow()
        while self._links:
            self.cut()
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, back)
        self._links.add(link)
        try:
            await asyncio.gather(self._requests(link, reader, back), self._replies(link, onward, writer))
        finally:
            self._links.discard(link)
            link.cut()

    async def _requests(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(_CHUNK):
                await self._flowing.wait()
                await link.flowing.wait()
                if self._trapped and self._trap is not None and self._trap in chunk:
                    self._trapped -= 1
                    link.doomed = True
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()
        except OSError:
            # Whoever asked is gone, as the other end hears from a real line.
            link.cut()

    async def _replies(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if link.doomed and not self._stalling:
                    break
                if link.doomed:
                    link.doomed = False
                    await self._stall_at(writer, chunk)
                    if self._late is not None:
                        continue
                await self._replying.wait()
                await self._flowing.wait()
                await link.flowing.wait()
                writer.write(chunk)
                await writer.drain()
        # A host that has vanished says nothing about its end.
        await link.flowing.wait()
        # What was asked for may still be on its way, but nobody listens to the answer.
        link.cut()

    async def _stall_at(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        if self._late is not None:
            await asyncio.sleep(self._late)
            writer.write(chunk)
            await writer.drain()
        self.stall()
