"""A connection to a provider: one exchange after the other, never further than it may be read."""

from __future__ import annotations

import asyncio
import select
import ssl
from typing import Final, cast

from wire.http.errors import RequestFailed, Unreachable
from wire.http.response_reader import MAX_BODY, MAX_HEAD, Incoming

_PIECE: Final = 8 * 1024
"""Bytes that are parsed in one turn: some cost much, and others want their turn."""

_SHORT: Final = 16 * 1024
"""Bytes of a request after which its connection may be used again. A longer one may still stand in the transport, which
under TLS does not tell."""


class Departure:
    """Whether a request has begun to leave, and when: a time of the running loop. `incoming` is what has come of its
    answer, which outlives a time-out and a break."""

    begun = False
    at = 0.0
    incoming: Incoming | None = None


class Connection(asyncio.Protocol):
    """`lost` is done when the socket is closed. `idle_since` is its pool's to set."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.idle_since = 0.0
        self._incoming: Incoming | None = None
        # The fault is its result: as its exception nobody might fetch it after a cancellation.
        self._outcome: asyncio.Future[RequestFailed | None] | None = None
        self._backlog = bytearray()
        self._ended = False
        self._ended_in_order = False
        self._reusable = False
        self._short = False

    async def exchange(self, content: bytes, departure: Departure, cap: int) -> Incoming:
        """The answer to the request. Raises Unreachable before that begins to leave, and what `Incoming` raises."""
        if not self._is_open():
            raise Unreachable
        self._reusable, self._short = False, len(content) <= _SHORT
        incoming = self._incoming = departure.incoming = Incoming(cap)
        outcome = self._outcome = self._loop.create_future()
        departure.begun, departure.at = True, self._loop.time()
        self._transport.write(content)
        try:
            fault = await outcome
        finally:
            self._incoming = self._outcome = None
            incoming.close()
        if fault is not None:
            raise fault
        return incoming

    @property
    def reusable(self) -> bool:
        """Whether the last answer came to its end, may be followed by another and was not followed by anything yet."""
        return self._reusable and self._is_open()

    def is_quiet(self) -> bool:
        """Whether nothing has come while it was idle, be it bytes that nobody asked for or the end. The socket is asked
        besides, since the loop may not have seen it yet. Under TLS the beginning of a record is not seen."""
        return self._is_open() and not self._poll.poll(0)

    def abort(self) -> None:
        self._ended = True
        self._transport.abort()

    def _is_open(self) -> bool:
        return not self._ended and not self._transport.is_closing()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._incoming is None:
            self.abort()
        elif not self._backlog and len(data) <= _PIECE:
            self._take(self._incoming, data)
        else:
            self._put_off(data)

    def eof_received(self) -> None:
        self._ended = True
        self._ended_in_order = self._has_closed_in_order()
        if self._incoming is None:
            self.abort()
        elif not self._backlog:
            self._end(self._incoming)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - every break is the same to us
        self._ended = True
        if not self.lost.done():
            self.lost.set_result(None)
        if self._incoming is not None and not self._backlog:
            self._end(self._incoming)

    def _has_closed_in_order(self) -> bool:
        """Under TLS only with a closure alert: without it anybody on the way may have cut the rest (RFC 9112 9.8)."""
        tls = cast("ssl.SSLObject | None", self._transport.get_extra_info("ssl_object"))
        try:
            return tls is None or not tls.read(1)
        except ssl.SSLError:
            return False

    def _put_off(self, data: bytes) -> None:
        if not self._backlog:
            self._loop.call_soon(self._take_more)
        self._backlog += data
        if len(self._backlog) > MAX_HEAD + MAX_BODY:
            # No answer may have so much: what is here is enough to refuse it.
            self._transport.pause_reading()

    def _take_more(self) -> None:
        piece = bytes(self._backlog[:_PIECE])
        del self._backlog[:_PIECE]
        if self._incoming is not None:
            self._take(self._incoming, piece)
        if self._incoming is None:
            self._backlog.clear()
        elif self._backlog:
            self._loop.call_soon(self._take_more)
        elif self._ended:
            self._end(self._incoming)

    def _take(self, incoming: Incoming, piece: bytes) -> None:
        try:
            incoming.feed(piece)
        except RequestFailed as fault:
            self._settle(fault)
            return
        if incoming.complete:
            left = self._transport.get_write_buffer_size() == 0
            self._reusable = self._short and left and not (incoming.last or self._backlog)
            self._settle(None)

    def _end(self, incoming: Incoming) -> None:
        try:
            incoming.end(in_order=self._ended_in_order)
        except RequestFailed as fault:
            self._settle(fault)
        else:
            self._settle(None)

    def _settle(self, fault: RequestFailed | None) -> None:
        # What comes from now on belongs to no answer.
        self._incoming = None
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(fault)
