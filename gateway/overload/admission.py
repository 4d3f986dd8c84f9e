"""Admission: which requests run. It is decided before anything else, such as verifying the bearer token or claiming a
state, so a request that is rejected can be sent again unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.error_responses import overloaded_response
from gateway.overload.concurrency import ConcurrencyLimit
from rest.paths import path_templates
from rest.reading import BODY_LIMIT
from wire.waiting import release_slot

log = structlog.get_logger("tendon")

# Requests in progress, including those that wait for a provider; requests in the queue; and seconds in the queue.
_ADMITTED: Final = 250
_QUEUED: Final = 200
_QUEUE_TIMEOUT: Final = 1.0
# Bytes of incomplete bodies that are buffered, of all requests together.
BUFFER_LIMIT: Final = 16 * 1024 * 1024
# Rejections a second that the process spends its time on. Beyond that it reads less, see `_reject`.
_REJECTIONS: Final = 1000
# Longest pause in reading from one connection, in seconds.
_LONGEST_PAUSE: Final = 0.5
# Seconds between two log lines about the number of rejected requests.
_LOG_INTERVAL: Final = 1.0


class Admission:
    """Runs the app while there is a slot, and else answers 503. `authenticated` are the paths that answer 401 to every
    request without an Authorization header, so there is no need to wait for its body.

    A request takes a slot once its body has arrived, so that slow clients hold up nobody else.
    """

    def __init__(self, app: ASGIApp, limit: ConcurrencyLimit, authenticated: Collection[str] = ()) -> None:
        self._app = app
        self._limit = limit
        self._authenticated = frozenset(authenticated)
        self._authenticated_templates = path_templates(authenticated)
        self._buffered = 0
        self._rejected = 0
        self._reading_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(receive)
        try:
            arrived = await self._arrived(scope, body)
        except _BufferFull:
            await self._reject(scope, receive, send)
            return
        if arrived:
            await self._admit(scope, body, send)

    async def _admit(self, scope: Scope, body: _Body, send: Send) -> None:
        slot = self._limit.acquire_now()
        queued = slot is None
        if slot is None and (slot := await self._limit.acquire()) is None:
            await self._reject(scope, body.rest, send)
            return
        token = release_slot.set(slot.waiting)
        try:
            if not queued or not await Request(scope, body.rest).is_disconnected():
                await self._app(scope, body.receive, send)
        finally:
            release_slot.reset(token)
            slot.release()

    async def _arrived(self, scope: Scope, body: _Body) -> bool:
        """Wait for as much of the body as the app reads. False when the client disconnected before that."""
        headers = Headers(scope=scope)
        if "authorization" not in headers and self._is_authenticated(scope):
            return True
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > BODY_LIMIT:
            return True
        try:
            while not body.complete and body.size <= BODY_LIMIT:
                # In two steps: `+=` with an await on its right loses what others added meanwhile.
                size = await body.read()
                self._buffered += size
                if self._buffered > BUFFER_LIMIT:
                    raise _BufferFull
        finally:
            self._buffered -= body.size
        return not body.disconnected

    def _is_authenticated(self, scope: Scope) -> bool:
        if scope["path"] in self._authenticated:
            return True
        return any(template.match(scope) is not None for template in self._authenticated_templates)

    async def _reject(self, scope: Scope, receive: Receive, send: Send) -> None:
        """At once. Clients that retry without a pause would take up all of the process's time, so `pause_reading` tells
        the protocol for how many seconds not to read from this connection. Together, the pauses spread out what
        arrives."""
        loop = asyncio.get_running_loop()
        if not self._rejected:
            loop.call_later(_LOG_INTERVAL, self._log)
        self._rejected += 1
        now = loop.time()
        self._reading_at = min(max(self._reading_at, now) + 1 / _REJECTIONS, now + _LONGEST_PAUSE)
        scope.setdefault("state", {})["pause_reading"] = self._reading_at - now
        await overloaded_response(scope)(scope, receive, send)

    def _log(self) -> None:
        log.warning("overloaded", refused=self._rejected)
        self._rejected = 0


def concurrency_limit(running: int) -> ConcurrencyLimit:
    """The limit of a process that runs so many requests at once."""
    return ConcurrencyLimit(running, max(_ADMITTED, running), _QUEUED, _QUEUE_TIMEOUT)


class _BufferFull(Exception):
    """Incomplete bodies take up more memory than they may."""


class _Body:
    """A request's body, read ahead and buffered for the app."""

    def __init__(self, rest: Receive) -> None:
        self.rest = rest
        self.size = 0
        self.complete = False
        self.disconnected = False
        self._buffer: list[Message] = []

    async def read(self) -> int:
        """Read one piece more, and return its length in bytes. Keeps one byte more than the limit, which is enough for
        the app to see that the body is too long."""
        message = await self.rest()
        self.disconnected = message["type"] != "http.request"
        self.complete = self.disconnected or not message.get("more_body", False)
        piece = message.get("body", b"")[: BODY_LIMIT + 1 - self.size]
        self._buffer.append(message if self.disconnected else {**message, "body": piece})
        self.size += len(piece)
        return len(piece)

    async def receive(self) -> Message:
        return self._buffer.pop(0) if self._buffer else await self.rest()
