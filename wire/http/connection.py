"""A connection to a server: one request after the other. It reads no more than a response may have."""

from __future__ import annotations

import asyncio
import select
import ssl
from typing import Final, cast

from wire.http.errors import RequestFailed, Unreachable
from wire.http.response_reader import MAX_HEAD, MAX_MESSAGE_BODY, ResponseReader

_PIECE: Final = 8 * 1024
"""Bytes that are parsed before other tasks run: some bytes take much CPU to parse."""

_SHORT: Final = 16 * 1024
"""Maximum size of a request after which its connection is used again. Part of a longer one may still be in the
transport's buffer, whose size is not known under TLS."""


class Connection(asyncio.Protocol):
    """`lost` is done when the socket is closed. `reusable` says whether the last response was complete, allows another
    request and was not followed by anything yet. `idle_since` is set by the pool."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.reusable = False
        self.idle_since = 0.0
        self._reader: ResponseReader | None = None
        # A failure is its result. As its exception it would be reported as never retrieved after a cancellation.
        self._outcome: asyncio.Future[RequestFailed | None] | None = None
        self._backlog = bytearray()
        self._ended = False
        self._ended_in_order = False
        self._short = False

    async def exchange(self, content: bytes, reader: ResponseReader) -> None:
        """Send a request and read its response with `reader`, until it is complete. Raises Unreachable before anything
        is sent, and what `reader` raises."""
        if not self._is_open():
            raise Unreachable
        self.reusable, self._short = False, len(content) <= _SHORT
        self._reader = reader
        outcome = self._outcome = self._loop.create_future()
        reader.sent, reader.sent_at = True, self._loop.time()
        self._transport.write(content)
        try:
            failure = await outcome
        finally:
            self._reader = self._outcome = None
        if failure is not None:
            raise failure

    def is_quiet(self) -> bool:
        """Whether nothing has arrived while it was idle: neither data nor the end. The socket is polled, as the event
        loop may not have read from it yet. Under TLS, an incomplete record is not noticed."""
        return self._is_open() and not self._poll.poll(0)

    def abort(self) -> None:
        self._ended, self.reusable = True, False
        self._transport.abort()

    def _is_open(self) -> bool:
        return not self._ended and not self._transport.is_closing()

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            self.abort()
        elif not self._backlog and len(data) <= _PIECE:
            self._parse(self._reader, data)
        else:
            self._parse_later(data)

    def eof_received(self) -> None:
        self._ended, self.reusable = True, False
        self._ended_in_order = self._has_closed_in_order()
        if self._reader is None:
            self.abort()
        elif not self._backlog:
            self._end(self._reader)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - all breaks are treated alike
        self._ended, self.reusable = True, False
        if not self.lost.done():
            self.lost.set_result(None)
        if self._reader is not None and not self._backlog:
            self._end(self._reader)

    def _has_closed_in_order(self) -> bool:
        """Under TLS, only with a closure alert. Without it, the rest may have been cut off on the way (RFC 9112
        9.8)."""
        tls = cast("ssl.SSLObject | None", self._transport.get_extra_info("ssl_object"))
        try:
            return tls is None or not tls.read(1)
        except ssl.SSLError:
            return False

    def _parse_later(self, data: bytes) -> None:
        if not self._backlog:
            self._loop.call_soon(self._parse_next)
        self._backlog += data
        if len(self._backlog) > MAX_HEAD + MAX_MESSAGE_BODY:
            # More than any response may have: what is here is enough to refuse it.
            self._transport.pause_reading()

    def _parse_next(self) -> None:
        piece = bytes(self._backlog[:_PIECE])
        del self._backlog[:_PIECE]
        if self._reader is not None:
            self._parse(self._reader, piece)
        if self._reader is None:
            self._backlog.clear()
        elif self._backlog:
            self._loop.call_soon(self._parse_next)
        elif self._ended:
            self._end(self._reader)

    def _parse(self, reader: ResponseReader, piece: bytes) -> None:
        try:
            reader.feed(piece)
        except RequestFailed as failure:
            self._settle(failure)
            return
        if reader.complete:
            written = self._transport.get_write_buffer_size() == 0
            self.reusable = self._short and written and not (reader.must_close or self._backlog or self._ended)
            self._settle(None)

    def _end(self, reader: ResponseReader) -> None:
        try:
            reader.end(in_order=self._ended_in_order)
        except RequestFailed as failure:
            self._settle(failure)
        else:
            self._settle(None)

    def _settle(self, failure: RequestFailed | None) -> None:
        # What arrives from now on belongs to no response.
        self._reader = None
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(failure)
