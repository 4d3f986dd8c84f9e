"""The usual way of a request: read from its connection, run by the app, and its response written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from gateway.http11.bodies import ChunkedBody, SizedBody
from gateway.http11.connection import Connection
from gateway.http11.head import BadRequest, Head

# Requests that may wait on one connection while another is answered (RFC 9112 9.3.2).
PIPELINED: Final = 8
_HEALTH: Final = (b"GET /livez ", b"GET /readyz ")
# Control characters but the tab, which values may contain (RFC 9110 5.5).
_CONTROLS: Final = bytes({*range(32), 127} - {9})
_CLOSE: Final = (b"connection", b"close")
_CHUNKED: Final = (b"transfer-encoding", b"chunked")
_WITHOUT_BODY: Final = frozenset({204, 304})

log = structlog.get_logger("tendon")


class BoundedProtocol(Connection):
    """Reads requests, and lets the app run one at a time."""

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
            self._reading.stop()
        elif began or not self._reading.runs:
            self._reading.start(self.head_seconds if self._body is None else self.body_seconds)

    def _read(self, rest: bytes | None) -> tuple[bool, bool]:
        """Returns whether a request began, and whether one ended. Raises BadRequest."""
        began = ended = False
        while rest and not self._finished:
            if self._body is None:
                if len(self.pipeline) >= PIPELINED and not self._head.begun:
                    raise BadRequest("Too many requests are waiting on this connection.")
                head, rest = self._head.read(rest)
                if head is None:
                    break
                self._begin_request(head, head.scope(self))
                began = True
                length = head.content_length
                if length is None or length > len(rest):
                    self._body = ChunkedBody() if length is None else SizedBody(length)
                elif length:
                    # As most bodies do, this one has arrived with its head.
                    self.cycle.body += rest[:length]
                    rest = rest[length:]
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

    def _begin_request(self, head: Head, scope: dict[str, Any]) -> None:
        keep_alive = head.keep_alive and head.version != "1.0"
        cycle: Any = Cycle(
            scope,
            self.transport,
            self.flow,
            self.server_state,
            self.on_response_complete,
            keep_alive,
            head.expects_continue,
        )
        self.cycle = cycle
        if self._unanswered:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
        else:
            self._start_asgi_task(cycle, self.app)
        self._unanswered.append(cycle)
        self._request = head

    def on_body(self, body: bytes) -> None:
        """A part of a body has arrived."""
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """A request has arrived as a whole."""
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        pause: float = self._unanswered.popleft().scope["state"].get("pause_reading", 0)
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


class Cycle(msgspec.Struct, eq=False):
    """A request and its response, as ASGI has them (ASGI HTTP 2.3). It does what uvicorn's own does, but it writes the
    head and the first part of the body together, and checks the head as a whole instead of each field.

    In `scope["state"]`, it tells the app the `body`, if that has arrived as a whole when the app begins to run, and
    the `status` of the response once its head is written. Until then, the app may start another response instead. The
    app may put `headers` there, which the response gets in place of those of the same names.
    """

    scope: Any
    transport: asyncio.Transport
    flow: FlowControl
    server_state: ServerState
    on_response: Callable[[], None]
    keep_alive: bool
    waiting_for_100_continue: bool
    message_event: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    body: bytearray = msgspec.field(default_factory=bytearray)
    more_body: bool = True
    disconnected: bool = False
    response_started: bool = False
    response_complete: bool = False
    # The message that starts the response, until its head is written.
    start: Any = None
    is_chunked: bool = False
    # Bytes of the body that are still to come.
    length: int = 0

    async def run_asgi(self, app: Any) -> None:
        """Whatever the app does, the client gets a response, or its connection is closed."""
        if not (self.more_body or self.disconnected):
            self.scope["state"]["body"] = bytes(self.body)
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:  # noqa: BLE001 - uvicorn cancels its tasks when their time is over
            from resolvers.exception_details import exception_details  # noqa: PLC0415 - the sandbox starts without it

            log.error("response.failed", **exception_details(error))  # noqa: TRY400 - never the text
            await self._fail()
        else:
            if not (self.response_complete or self.disconnected):
                log.error("response.incomplete")
                await self._fail()
        finally:
            # It refers to the connection, which refers to this.
            self.on_response = _nothing

    async def receive(self) -> Any:
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not (self.disconnected or self.response_complete):
            self.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        kind = message["type"]
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            if kind == "http.response.start":
                self.scope["state"]["status"] = message["status"]
        elif kind == "http.response.start" and (self.start is not None or not self.response_started):
            self.response_started = True
            self.waiting_for_100_continue = False
            self.start, self.is_chunked = message, False
        elif kind == "http.response.body" and self.response_started and not self.response_complete:
            self._write(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"The app must not send {kind} now.")

    def _write(self, body: bytes, *, more: bool) -> None:
        head = b"" if self.start is None else self._head()
        if self.scope["method"] == "HEAD":
            body, self.length = b"", 0
        elif self.is_chunked:
            body = _chunk(body) if more else _chunk(body) + b"0\r\n\r\n"
        elif len(body) > self.length:
            raise RuntimeError("The body is longer than Content-Length.")
        else:
            self.length -= len(body)
        if self.start is not None:
            self.scope["state"]["status"], self.start = self.start["status"], None
        self.transport.write(head + body)
        if not more:
            if self.length:
                raise RuntimeError("The body is shorter than Content-Length.")
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()

    def _head(self) -> bytes:
        """The head of the response, which has not been written yet."""
        start = self.start
        given, added = start.get("headers", ()), self.scope["state"].get("headers", ())
        headers = [*self.server_state.default_headers, *given, *added]
        fields = dict(headers)
        if len(fields) < len(headers):
            names = dict(added)
            headers = [*self.server_state.default_headers, *(one for one in given if one[0] not in names), *added]
        if b"transfer-encoding" in fields or (fields and not b"".join(fields).islower()):
            raise RuntimeError("A header is Transfer-Encoding, or not in lower case.")
        if _CLOSE in headers or b"close" in fields.get(b"connection", b"").lower():
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append(_CLOSE)
        if b"content-length" in fields:
            self.length = int(fields[b"content-length"])
        elif self.scope["method"] != "HEAD" and start["status"] not in _WITHOUT_BODY:
            self.is_chunked = True
            headers.append(_CHUNKED)
        head = STATUS_LINE[start["status"]] + b"\r\n".join([*map(b": ".join, headers), b"", b""])
        # The status line, each field and the empty line end with two of them.
        if len(head) - len(head.translate(None, _CONTROLS)) != 2 * (len(headers) + 2):
            raise RuntimeError("A header contains a control character.")
        return head

    async def _fail(self) -> None:
        """Answer 500 if nothing has been written, and close the connection."""
        try:
            if self.start is not None or not self.response_started:
                text = b"Internal Server Error"
                headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text)), _CLOSE]
                await self.send({"type": "http.response.start", "status": 500, "headers": headers})
                await self.send({"type": "http.response.body", "body": text})
        finally:
            self.transport.close()


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""


def _nothing() -> None:
    """The response has ended."""
