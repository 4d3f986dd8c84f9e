"""Sockets to providers: connected to the addresses that resolution allows, the very ones that were screened, and read
no further than an answer may go."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any, Final, cast

import httpcore

from providers.errors import TransportFailure
from providers.resolution import Resolve

MAX_HEAD: Final = 32 * 1024
"""Bytes until the head of an answer is over, interim answers (1xx) with it. h11 alone would take any number of these,
and 100 KiB and what one more read brings for each."""

MAX_BODY: Final = 320 * 1024
"""Bytes after the head as they travel: what `http.CAP` lets through, and room for chunk sizes and trailers."""

_AT_ONCE: Final = 256 * 1024
_PIECE: Final = 8 * 1024


class Network(httpcore.AsyncNetworkBackend):
    """What is above it knows hosts by name, so Host header and certificate are those of the name."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._sockets = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Tries one address after the other; `timeout` is seconds for each."""
        *others, last = await self._resolve(host, port)
        for address in others:
            try:
                return Stream(await self._sockets.connect_tcp(address, port, timeout, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return Stream(await self._sockets.connect_tcp(last, port, timeout, local_address, socket_options))


class Stream(httpcore.AsyncNetworkStream):
    """A stream that gives the answer to each request only so much room.

    It is closed when a TLS handshake on it is cancelled, which httpcore's own leaves open.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._room = MAX_HEAD
        self._unread = b""

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            return Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            await self._stream.aclose()
            raise

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """All that has come, handed on in small pieces: some bytes cost much to parse, and others want their turn."""
        if self._room == 0:
            raise TransportFailure("the answer is too large", sent=True)
        if self._unread:
            await asyncio.sleep(0)
        else:
            self._unread = await self._stream.read(_AT_ONCE, timeout)
        end = min(max_bytes, self._room, _PIECE)
        part, self._unread = self._unread[:end], self._unread[end:]
        self._room -= len(part)
        return part

    def head_is_over(self) -> None:
        self._room = MAX_BODY

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._room = MAX_HEAD
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        # httpcore asks this of an idle connection before its next request, and gives it up when there is something.
        return (info == "is_readable" and self._has_more()) or self._stream.get_extra_info(info)

    def _has_more(self) -> bool:
        """Whether bytes came after the answer that the socket no longer shows: one user's tokens for another."""
        if self._unread:
            return True
        tls = cast("ssl.SSLObject | None", self._stream.get_extra_info("ssl_object"))
        if tls is None:
            return False
        try:
            tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            return True
        return True
