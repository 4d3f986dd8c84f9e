"""HTTP/1.1 as uvicorn reads it, with bounds on what comes before a request exists: connections, the length of a head,
the requests that wait on one connection, and the time that anything may take."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.overload.files import SPARE, connections_allowed

# Bytes that a request line and headers may have taken without coming to their end.
HEAD_LIMIT: Final = 64 * 1024
# Requests that may wait on one connection while another is answered (RFC 9112 9.3.2).
PIPELINED: Final = 8
_HEALTH: Final = (b"GET /livez ", b"GET /readyz ")
_TOO_LONG: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class TooManyRequests(Exception):
    """More requests wait on one connection than anybody needs. uvicorn answers 400 and hangs up."""


class BoundedProtocol(HttpToolsProtocol):
    """Hangs up on who sends too much or takes too long.

    The head's bytes are counted by the reads that it fills, so it may be long by one more. Times are in seconds: for a
    head since the connection was made or its first byte came, for a body since then, and for an answer to be taken.
    """

    connections_allowed: ClassVar[int] = 2000
    head_seconds: ClassVar[float] = 10
    body_seconds: ClassVar[float] = 30
    answer_seconds: ClassVar[float] = 30

    _head = 0
    _in_head = True
    _begun = False
    _ended = False
    _crowded = False
    _reading: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # The first is being answered, the others wait. `cycle` is the last of them.
        self._unanswered: deque[RequestResponseCycle] = deque()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        excess = len(self.connections) - min(self.connections_allowed, connections_allowed())
        self._crowded = excess > 0
        if excess > SPARE:
            transport.abort()
        else:
            self._expect(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._crowded and not data.startswith(_HEALTH):
            self._hang_up(_too_many(data))
            return
        self._ended = False
        super().data_received(data)
        if self._ended and not self._begun:
            self._expect(None)
        elif self._reading is None:
            self._expect(self.head_seconds if self._in_head else self.body_seconds)
        if not self._in_head or self._ended:
            # A read in which a message ended is that message's.
            return
        self._head += len(data)
        if self._head > HEAD_LIMIT:
            self._hang_up(_TOO_LONG)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= PIPELINED:
            raise TooManyRequests
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._expect(None)
        super().on_headers_complete()
        self._unanswered.append(self.cycle)

    def on_message_complete(self) -> None:
        self._head, self._in_head, self._begun, self._ended = 0, True, False, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        deaf: float = self._unanswered.popleft().scope.get("state", {}).get("deaf", 0)
        if deaf and self._unanswered:
            # What waits has been heard already, so that there is no other way to hear less.
            self.transport.close()
        super().on_response_complete()
        if deaf and not self.transport.is_closing():
            self.flow.pause_reading()
            self.loop.call_later(deaf, self.flow.resume_reading)

    def refuse_unfinished(self) -> None:
        """Answer 503 to a request whose body has not come to its end, and hang up."""
        arriving = self._begun and not self._in_head and len(self._unanswered) == 1
        if arriving and not self.cycle.response_started:
            self._hang_up(_stopping(self.cycle.scope))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _expect(self, seconds: float | None) -> None:
        """What is being read has to end within so many seconds from now; None when nothing is being read."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading = None if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        self._reading = None
        if self.flow.read_paused:
            # It is us who does not read on.
            self._expect(self.body_seconds)
        elif self._begun or not self._answering:
            self._hang_up(b"" if self._answering and self._unanswered[0].response_started else _TOO_SLOW)

    @property
    def _answering(self) -> bool:
        return bool(self._unanswered)

    def _hang_up(self, saying: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(saying)
            self.transport.close()


def _too_many(head: bytes) -> bytes:
    # Imported here: the sandbox starts without it.
    from gateway.overload.refusals import early_refusal  # noqa: PLC0415

    return early_refusal(head)


def _stopping(scope: Any) -> bytes:
    from gateway.overload.refusals import late_refusal  # noqa: PLC0415 - as above

    return late_refusal(scope)
