"""The server's connections: how many are allowed, the time limits on each, and how they are closed."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

import structlog

from gateway.framing import Unreadable
from gateway.overload.files import SPARE, connections_allowed
from gateway.request_reader import RequestReader
from wire.deadline import SECOND_LOOK, Deadline

log = structlog.get_logger("tendon")

_HEALTH: Final = (b"GET /livez ", b"GET /readyz ")


class BoundedProtocol(RequestReader):
    """Closes the connection of a client that sends too much or takes too long.

    Time limits are in seconds: for a head, from the connection or its first byte on; for a body, from then on; for the
    client to read an answer; and, on shutdown, for a request that is not complete.
    """

    connections_allowed: ClassVar[int] = 2000
    head_seconds: ClassVar[float] = 10
    body_seconds: ClassVar[float] = 30
    answer_seconds: ClassVar[float] = 30
    last_seconds: ClassVar[float] = 1

    _crowded = False
    _heard = False
    # Sent after the answers to the requests before it.
    _last_words: bytes | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reading = Deadline(self.loop, self._late)
        self._writing = Deadline(self.loop, self._unread)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        excess = len(self.connections) - min(self.connections_allowed, connections_allowed())
        self._crowded = excess > 0
        if excess > SPARE:
            transport.abort()
        else:
            self._reading.start(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finished = True
        self._reading.stop()
        self._writing.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._finished:
            return
        if self._crowded and not data.startswith(_HEALTH):
            self._hang_up(_too_many(data))
            return
        self._heard = True
        self._unset_keepalive_if_required()
        try:
            self.read(data)
        except Unreadable as fault:
            self._end(fault)
        if self._ended and not self._begun:
            self._reading.stop()
        elif not self._reading.runs and not self._finished:
            self._reading.start(self.head_seconds if self._in_head else self.body_seconds)

    def _begin_request(self) -> None:
        self._reading.stop()
        super()._begin_request()

    def on_response_complete(self) -> None:
        deaf: float = self._unanswered.popleft().scope.get("state", {}).get("deaf", 0)
        if self._last_words is not None and not self._unanswered:
            self._hang_up(self._last_words)
        elif deaf and self._unanswered:
            # What waits has been heard already, so that there is no other way to hear less.
            self.transport.close()
        super().on_response_complete()
        self._limit_closing()
        if deaf and not self.transport.is_closing():
            self.flow.pause_reading()
            self.loop.call_later(deaf, self.flow.resume_reading)

    def shutdown(self) -> None:
        """Called on shutdown. A request still in the socket buffer, or received in part, is answered."""
        if self._answering or self._finished:
            super().shutdown()
        elif self._begun:
            self._reading.start(self.last_seconds)
        elif not self._heard:
            self._reading.stop()
            self.timeout_keep_alive_task = self.loop.call_later(self.last_seconds, self.timeout_keep_alive_handler)
        else:
            self.timeout_keep_alive_handler()

    def timeout_keep_alive_handler(self) -> None:
        """As in Deadline: the next request may have arrived, but not been read."""
        self.timeout_keep_alive_task = self.loop.call_later(SECOND_LOOK, self._close_idle)

    def _close_idle(self) -> None:
        super().timeout_keep_alive_handler()
        self._limit_closing()

    def refuse_unfinished(self) -> None:
        """Answer 503 to a request whose body has not come to its end, and hang up."""
        if self._arriving and len(self._unanswered) == 1 and not self.cycle.response_started:
            self._hang_up(_stopping(self.cycle.scope))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing.start(self.answer_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._writing.stop()

    def _limit_closing(self) -> None:
        """A transport that is closed first writes what it holds, for ever if nobody reads it. Too little of that pauses
        writing."""
        if self.transport.is_closing() and not self._writing.runs and self.transport.get_write_buffer_size():
            self._writing.start(self.answer_seconds)

    def _unread(self) -> None:
        self.transport.abort()

    def _late(self) -> None:
        if self.flow.read_paused:
            # It is us who does not read on.
            self._reading.start(self.body_seconds)
        elif self._begun or not self._answering:
            self._end(Unreadable("The request took too long to arrive.", 408))

    @property
    def _answering(self) -> bool:
        return bool(self._unanswered)

    @property
    def _arriving(self) -> bool:
        """Whether the body of an unanswered request is incomplete."""
        return self._body is not None and self._answering and self._unanswered[-1] is self.cycle

    def _end(self, fault: Unreadable) -> None:
        """Send the error after the answers to earlier requests, and close the connection."""
        log.info("request.unreadable", reason=fault.message)
        self._finished = True
        self._reading.stop()
        words = _unreadable_words(fault, self.url if self._begun else b"", (self._begun and self.headers) or [])
        if self._body is not None and (self.cycle.response_started or not self._arriving):
            # The request has been answered, at least in part.
            words = b""
        if self._arriving and len(self._unanswered) > 1:
            # It will not be run.
            self._unanswered.pop()
            self.pipeline.popleft()
            self._last_words = words
        elif self._answering and not self._arriving:
            self._last_words = words
        else:
            self._hang_up(words)

    def _hang_up(self, saying: bytes) -> None:
        self._finished = True
        if not self.transport.is_closing():
            self.transport.write(saying)
            self.transport.close()
            self._limit_closing()


# Imported on demand, because the sandbox starts without them.


def _too_many(head: bytes) -> bytes:
    from gateway.overload.refusals import early_refusal  # noqa: PLC0415

    return early_refusal(head)


def _stopping(scope: Any) -> bytes:
    from gateway.overload.refusals import late_refusal  # noqa: PLC0415

    return late_refusal(scope)


def _unreadable_words(fault: Unreadable, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    from gateway.overload.refusals import unreadable_refusal  # noqa: PLC0415

    return unreadable_refusal(fault.status, fault.message, target, headers)
