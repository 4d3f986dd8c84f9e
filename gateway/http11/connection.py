"""A connection: how many there may be, their time limits, and how they end."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http11.bodies import Body
from gateway.http11.head import BadRequest, Head, HeadReader
from gateway.overload.file_limit import SPARE, connection_limit
from wire.waiting import SECOND_LOOK, Deadline

log = structlog.get_logger("tendon")


class Connection(HttpToolsProtocol):
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
    _finished: bool = False
    # Sent after the responses to earlier requests.
    _final_response: bytes | None = None
    # The request whose body is being read.
    _request: Head
    _body: Body | None = None
    # In place of uvicorn's type, which leaves it partly unknown.
    app: Any

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head = HeadReader()
        # The first is being answered, the others wait. `cycle` is the last of them, or was answered already.
        self._unanswered: deque[Any] = deque()

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
        self._reading.stop()
        self._writing.stop()
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

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
