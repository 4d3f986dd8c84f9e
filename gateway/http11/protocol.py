"""A connection: hands its requests to uvicorn, and limits how long it may take and how many connections there are."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, ClassVar, Final, NamedTuple, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.http11.chunked import ChunkedBody
from gateway.http11.head import BadRequest, Head, HeadReader
from gateway.overload.file_limit import SPARE, connection_limit
from wire.waiting import SECOND_LOOK, Deadline

log = structlog.get_logger("tendon")

# Requests that may wait on one connection while another is answered (RFC 9112 9.3.2).
PIPELINED: Final = 8
_HEALTH: Final = (b"GET /livez ", b"GET /readyz ")


class BoundedProtocol(HttpToolsProtocol):
    """Closes the connection of a client that sends too much or takes too long.

    Time limits are in seconds: for a head, from the connection or its first byte on; for a body, from then on; for the
    client to read a response; and, on shutdown, for a request that is not complete.
    """

    connections_allowed: ClassVar[int] = 2000
    head_seconds: ClassVar[float] = 10
    body_seconds: ClassVar[float] = 30
    response_seconds: ClassVar[float] = 30
    shutdown_seconds: ClassVar[float] = 1

    _over_limit = False
    _received = False
    # No more requests are read: the last one closes the connection, or the data after it is malformed.
    _finished = False
    # Sent after the responses to earlier requests.
    _final_response: bytes | None = None
    # The request whose body is being read.
    _request: Head
    _body: _SizedBody | ChunkedBody | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head = HeadReader()
        # The first is being answered, the others wait. `cycle` is the last of them, or was answered already.
        self._unanswered: deque[RequestResponseCycle] = deque()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._reading = Deadline(self.loop, self._read_timed_out)
        self._writing = Deadline(self.loop, transport.abort)
        excess = len(self.connections) - min(self.connections_allowed, connection_limit())
        self._over_limit = excess > 0
        if excess > SPARE:
            transport.abort()
        else:
            self._reading.start(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finished = True
        for deadline in (self._reading, self._writing):
            if deadline.runs:
                deadline.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._finished:
            return
        if self._over_limit and not data.startswith(_HEALTH):
            from gateway.http11.raw_responses import too_many_connections  # noqa: PLC0415 - the sandbox starts without it

            self._close_with(too_many_connections(data))
            return
        self._received = True
        self._unset_keepalive_if_required()
        try:
            began, ended = self._read(data)
        except BadRequest as error:
            self._reject(error)
            return
        if ended and not self._begun:
            if self._reading.runs:
                self._reading.stop()
        elif began or not self._reading.runs:
            self._reading.start(self.head_seconds if self._body is None else self.body_seconds)

    def _read(self, data: bytes) -> tuple[bool, bool]:
        """Returns whether a request began, and whether one ended. Raises BadRequest."""
        began = ended = False
        rest: bytes | None = data
        while rest and not self._finished:
            if self._body is None:
                if len(self.pipeline) >= PIPELINED and not self._head.begun:
                    raise BadRequest("Too many requests are waiting on this connection.")
                head, rest = self._head.read(rest)
                if head is None:
                    break
                self._begin_request(head)
                began = True
            if self._body is not None:
                content, rest = self._body.read(rest)
                if content:
                    self.on_body(content)
                if rest is None:
                    break
            self.on_message_complete()
            self._body, ended = None, True
            # RFC 9112 9.6: data after the last request is not read.
            self._finished = not self.cycle.keep_alive
        return began, ended

    def _begin_request(self, head: Head) -> None:
        """Hand the request to uvicorn, which runs the app."""
        self.parser = cast("httptools.HttpRequestParser", _ParserOfUvicorn(head))
        self.on_message_begin()
        self.url, self.headers, self.expect_100_continue = head.target, head.headers, head.expects_continue
        self.scope["headers"] = head.headers
        try:
            self.on_headers_complete()
        except httptools.HttpParserInvalidURLError:
            raise BadRequest("The request target is malformed.") from None
        self._unanswered.append(self.cycle)
        self._request, length = head, head.content_length
        self._body = ChunkedBody() if length is None else _SizedBody(length) if length else None

    def on_response_complete(self) -> None:
        pause: float = self._unanswered.popleft().scope.get("state", {}).get("pause_reading", 0)
        if self._final_response is not None and not self._unanswered:
            self._close_with(self._final_response)
        elif pause and self._unanswered:
            # The requests that wait have been read already: a pause would not hold them back.
            self.transport.close()
        super().on_response_complete()
        self._limit_closing()
        if pause and not self.transport.is_closing():
            self.flow.pause_reading()
            self.loop.call_later(pause, self.flow.resume_reading)

    def shutdown(self) -> None:
        """Called on shutdown. A request still in the socket buffer, or received in part, is answered."""
        if self._unanswered or self._finished:
            super().shutdown()
        elif self._begun:
            self._reading.start(self.shutdown_seconds)
        elif not self._received:
            self._reading.stop()
            self.timeout_keep_alive_task = self.loop.call_later(self.shutdown_seconds, self.timeout_keep_alive_handler)
        else:
            self.timeout_keep_alive_handler()

    def close_after_response(self) -> None:
        """Let the response to the last request that has arrived tell the client that the connection is closed."""
        if self._unanswered:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """As in Deadline: the next request may have arrived without having been read."""
        self.timeout_keep_alive_task = self.loop.call_later(SECOND_LOOK, self._close_idle)

    def _close_idle(self) -> None:
        super().timeout_keep_alive_handler()
        self._limit_closing()

    def reject_incomplete(self) -> None:
        """Respond with 503 to a request whose body is incomplete, and close the connection."""
        if self._receiving_body and len(self._unanswered) == 1 and not self.cycle.response_started:
            from gateway.http11.raw_responses import stopping  # noqa: PLC0415 - the sandbox starts without it

            self._close_with(stopping(dict(self.cycle.scope)))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing.start(self.response_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._writing.stop()

    def _limit_closing(self) -> None:
        """A transport that is closed first writes what it has buffered, without a time limit. A small buffer never
        pauses writing, so the limit has to start here."""
        if self.transport.is_closing() and self.transport.get_write_buffer_size() and not self._writing.runs:
            self._writing.start(self.response_seconds)

    def _read_timed_out(self) -> None:
        if self.flow.read_paused:
            # The server has stopped reading; the client is not slow.
            self._reading.start(self.body_seconds)
        elif self._begun or not self._unanswered:
            self._reject(BadRequest("The request took too long to arrive.", 408))

    @property
    def _begun(self) -> bool:
        """Whether a request has arrived in part."""
        return self._head.begun or self._body is not None

    @property
    def _receiving_body(self) -> bool:
        """Whether the body of an unanswered request is incomplete."""
        return self._body is not None and bool(self._unanswered) and self._unanswered[-1] is self.cycle

    def _reject(self, error: BadRequest) -> None:
        """Send the error after the responses to earlier requests, and close the connection."""
        from gateway.http11.raw_responses import bad_request  # noqa: PLC0415 - the sandbox starts without it

        log.info("request.unreadable", reason=error.message)
        self._finished = True
        self._reading.stop()
        received = self._head if self._body is None else self._request
        response = bad_request(error, received.target, received.headers)
        if self._body is not None and (self.cycle.response_started or not self._receiving_body):
            # The request has been answered, at least in part.
            response = b""
        if self._receiving_body and len(self._unanswered) > 1:
            # It has not begun to run, and never will.
            self._unanswered.pop()
            self.pipeline.popleft()
            self._final_response = response
        elif self._unanswered and not self._receiving_body:
            self._final_response = response
        else:
            self._close_with(response)

    def _close_with(self, response: bytes) -> None:
        self._finished = True
        if not self.transport.is_closing():
            self.transport.write(response)
            self.transport.close()
            self._limit_closing()


class _SizedBody:
    """A body framed by Content-Length. Read here, because most bodies are, and arrive with their head."""

    def __init__(self, length: int) -> None:
        self._left = length

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        """As ChunkedBody's."""
        if len(data) < self._left:
            self._left -= len(data)
            return data, None
        return data[: self._left], data[self._left :]


class _ParserOfUvicorn(NamedTuple):
    """What uvicorn asks its parser about a head."""

    head: Head

    def get_http_version(self) -> str:
        return self.head.version

    def get_method(self) -> bytes:
        return self.head.method

    def should_keep_alive(self) -> bool:
        return self.head.keep_alive

    def should_upgrade(self) -> bool:
        """Never. uvicorn would split the whole Connection field to find out, several times a request."""
        return False
