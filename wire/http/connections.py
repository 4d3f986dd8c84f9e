"""Connections to servers: how they carry one request after the other, and are kept meanwhile.

Each origin has its own pool, so that a server that hangs uses up no other's connections. A connection reads no more
than a response may have.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, cast

from wire.http.errors import RequestFailed, TimedOut, TransportFailure, Unreachable
from wire.http.response_reader import MAX_HEAD, MAX_MESSAGE_BODY, ResponseReader, broken
from wire.waiting import Deadline, Slots

MAX_CONNECTIONS: Final = 112
"""To one origin, unless the client says otherwise."""

# Most servers keep connections open for longer, so that few requests meet one that is just being closed.
_IDLE_SECONDS: Final = 15

_PIECE: Final = 8 * 1024
"""Bytes that are parsed before other tasks run: some bytes take much CPU to parse."""

_SHORT: Final = 16 * 1024
"""Maximum size of a request after which its connection is used again. Part of a longer one may still be in the
transport's buffer, whose size is not known under TLS."""


class Origin(NamedTuple):
    """A server to connect to. Connections are kept per origin. `host` is an ASCII name, or an IP address without
    brackets."""

    scheme: str
    host: str
    port: int


class Pool:
    """The connections to one origin. The one used last is used next, and requests beyond the limit wait in line."""

    def __init__(
        self, origin: Origin, connect: Callable[[Origin], Awaitable[Connection]], max_connections: int
    ) -> None:
        self._origin = origin
        self._connect = connect
        self._slots = Slots(max_connections)
        # From the one that has been idle for longest to the one that was used last.
        self._idle: deque[Connection] = deque()
        self._in_use: set[Connection] = set()
        self._closed = False
        self._clearing: asyncio.TimerHandle | None = None

    def acquire_idle(self) -> Connection | None:
        """As `acquire`, but None if a connection has to be opened or waited for."""
        if not self._slots.acquire_now():
            return None
        connection = self._open_idle()
        if connection is None:
            self._slots.release()
        else:
            self._in_use.add(connection)
        return connection

    async def acquire(self) -> Connection:
        """An open connection, to be given back with `release`. One that the server has closed while it was idle is
        noticed here, before a request is sent on it. Raises TransportFailure with `sent` False."""
        await self._slots.acquire()
        try:
            connection = self._open_idle() or await self._connect(self._origin)
        except BaseException:
            self._slots.release()
            raise
        self._in_use.add(connection)
        if self._closed:
            self.release(connection)
            raise TransportFailure("the client is closed", sent=False)
        return connection

    def release(self, connection: Connection) -> None:
        """The connection is kept if its last response was complete and nothing follows it."""
        self._in_use.discard(connection)
        self._slots.release()
        if connection.reusable and not self._closed:
            loop = asyncio.get_running_loop()
            connection.idle_since = loop.time()
            self._idle.append(connection)
            if self._clearing is None:
                self._clearing = loop.call_later(_IDLE_SECONDS, self._clear)
        else:
            connection.abort()

    async def aclose(self) -> None:
        """Requests in progress fail."""
        self._closed = True
        if self._clearing is not None:
            self._clearing.cancel()
        connections = [*self._idle, *self._in_use]
        self._idle.clear()
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.lost for connection in connections))

    def _open_idle(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since > oldest and connection.is_quiet():
                return connection
            connection.abort()
        return None

    def _clear(self) -> None:
        """Runs while there are idle connections, even without requests: under TLS, the server can keep an idle
        connection busy."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _IDLE_SECONDS
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.popleft().abort()
        self._clearing = loop.call_later(_IDLE_SECONDS, self._clear) if self._idle else None


class Connection(asyncio.Protocol):
    """`lost` is done when the socket is closed. `reusable` says whether the last response was complete, allows another
    request and was not followed by anything yet. `idle_since` is set by the pool."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.reusable = False
        self.idle_since = 0.0
        self._reader: ResponseReader | None = None
        self._outcome: asyncio.Future[RequestFailed | None] | None = None
        self._deadline = Deadline(self._loop, self._time_out)
        self._backlog = bytearray()
        self._ended = False
        self._ended_in_order = False
        self._short = False

    def exchange(
        self, content: bytes, reader: ResponseReader, deadline: float, latest: float
    ) -> asyncio.Future[RequestFailed | None]:
        """Send a request, and read its response with `reader`. The result is None once the response is complete, or
        what went wrong: as an exception it would be reported as never retrieved after a cancellation. Whoever cancels
        the future has to abort the connection. `deadline` and `latest` are as for `Client.send`. Raises Unreachable
        before anything is sent."""
        if self._ended or self._transport.is_closing():
            raise Unreachable
        self.reusable, self._short = False, len(content) <= _SHORT
        self._reader = reader
        self._outcome = self._loop.create_future()
        now = reader.sent_at = self._loop.time()
        self._deadline.start(deadline - now, latest=latest)
        self._transport.write(content)
        return self._outcome

    def is_quiet(self) -> bool:
        """Whether nothing has arrived while it was idle: neither data nor the end. The socket is polled, as the event
        loop may not have read from it yet. Under TLS, an incomplete record is not noticed."""
        return not self._ended and not self._poll.poll(0)

    def abort(self) -> None:
        """An exchange in progress fails."""
        self._ended, self.reusable = True, False
        self._transport.abort()
        self._settle(broken())

    def _time_out(self) -> None:
        self._settle(TimedOut(sent=True, stood_still=self._deadline.stood_still))

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
        self._deadline.stop()
        # What arrives from now on belongs to no response.
        outcome, self._reader, self._outcome = self._outcome, None, None
        if outcome is not None and not outcome.done():
            outcome.set_result(failure)
