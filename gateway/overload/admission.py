"""Admission: which requests run. It is decided before anything else, such as verifying the bearer token or claiming a
state, so a request that is rejected can be sent again unchanged. docs/adr/0010-admission.md compares the order of the
queue with others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.error_responses import overloaded_response
from rest.json_http import BODY_LIMIT
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
    """Runs an app while there is a slot, and else answers 503.

    A request takes a slot once its body has arrived, so that slow clients hold up nobody else.
    """

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._buffered = 0
        self._rejected = 0
        self._reading_at = 0.0

    async def run(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, authenticated: bool = False
    ) -> None:
        """A body that has arrived as a whole is in `scope["state"]["body"]`. An `authenticated` app answers 401 to each
        request without an Authorization header, so there is no need to wait for its body."""
        slot = self._limit.acquire_now() if "body" in scope.get("state", ()) else None
        if slot is None:
            body = _Body(receive)
            slot = await self._wait(scope, body, send, authenticated=authenticated)
            if slot is None:
                return
            receive = body.receive
        token = release_slot.set(slot.waiting)
        try:
            await app(scope, receive, send)
        finally:
            release_slot.reset(token)
            slot.release()

    async def _wait(self, scope: Scope, body: _Body, send: Send, *, authenticated: bool) -> Slot | None:
        """Wait for the body and then for a slot. None when the request was rejected or its client has disconnected."""
        try:
            if not await self._arrived(scope, body, authenticated=authenticated):
                return None
        except _BufferFull:
            await self._reject(scope, body.rest, send)
            return None
        slot = self._limit.acquire_now()
        if slot is not None:
            return slot
        slot = await self._limit.acquire()
        if slot is None:
            await self._reject(scope, body.rest, send)
            return None
        disconnected = True
        try:
            disconnected = await Request(scope, body.rest).is_disconnected()
        finally:
            if disconnected:
                slot.release()
        return None if disconnected else slot

    async def _arrived(self, scope: Scope, body: _Body, *, authenticated: bool) -> bool:
        """Wait for as much of the body as the app reads. False when the client disconnected before that."""
        fields = dict(scope["headers"])
        if authenticated and b"authorization" not in fields:
            return True
        declared = fields.get(b"content-length", b"0")
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


def concurrency_limit(running: int) -> ConcurrencyLimit:
    """The limit of a process that runs so many requests at once."""
    return ConcurrencyLimit(running, max(_ADMITTED, running), _QUEUED, _QUEUE_TIMEOUT)


class ConcurrencyLimit:
    """Lets `running` requests run at once. `admitted` may be in progress, which includes those that wait for another
    system, such as a provider. `queued` more wait for a slot, each for at most `timeout` seconds.

    The queue is served in order until its oldest request has waited for a quarter of the time-out. From then on there
    is more work than can be done, and the newest request is served first: in order, every request would be served
    shortly before it times out. A request that finds the queue full takes the place of the oldest, which is rejected.
    """

    def __init__(self, running: int, admitted: int, queued: int, timeout: float) -> None:
        self._free_to_run = running
        self._free_to_admit = admitted
        self._queued = queued
        self._timeout = timeout
        self._queue: deque[_Waiter] = deque()

    def acquire_now(self) -> Slot | None:
        """A slot, or None when none is free."""
        if self._free_to_run <= 0 or self._free_to_admit <= 0:
            return None
        self._free_to_run -= 1
        self._free_to_admit -= 1
        return Slot(self)

    async def acquire(self) -> Slot | None:
        """Wait in the queue for a slot. None when the request is rejected."""
        if not self._queued:
            return None
        if len(self._queue) >= self._queued:
            self._queue.popleft().wake(None)
        waiter = _Waiter()
        self._queue.append(waiter)
        timer = waiter.loop.call_later(self._timeout, self._time_out, waiter)
        try:
            return await waiter.slot
        except asyncio.CancelledError:
            self._cancel(waiter)
            raise
        finally:
            timer.cancel()

    def free(self, running: int, admitted: int) -> None:
        """Change the number of free slots, and give those that are free now to the queue."""
        self._free_to_run += running
        self._free_to_admit += admitted
        while self._queue and (slot := self.acquire_now()) is not None:
            overloaded = self._queue[0].waited > self._timeout / 4
            waiter = self._queue.pop() if overloaded else self._queue.popleft()
            waiter.wake(slot)

    def _time_out(self, waiter: _Waiter) -> None:
        if waiter in self._queue:
            self._queue.remove(waiter)
            waiter.wake(None)

    def _cancel(self, waiter: _Waiter) -> None:
        """A waiter that is cancelled may have been given a slot already."""
        if waiter in self._queue:
            self._queue.remove(waiter)
        elif not waiter.slot.cancelled() and (slot := waiter.slot.result()) is not None:
            slot.release()


class _Waiter:
    """A request in the queue."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.slot: asyncio.Future[Slot | None] = self.loop.create_future()
        self._since = self.loop.time()

    @property
    def waited(self) -> float:
        return self.loop.time() - self._since

    def wake(self, slot: Slot | None) -> None:
        if not self.slot.done():
            self.slot.set_result(slot)
        elif slot is not None:
            slot.release()


class Slot:
    """Held by a request from its admission to the end of its response."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._blocks = 0
        self._released = False

    def release(self) -> None:
        self._released = True
        self._limit.free(0 if self._blocks else 1, 1)

    def waiting(self) -> Slot:
        """While a `with` block of this waits for another system, another request may run.

        After it, the request goes on at once, even where that makes one more than the limit: a request that was
        begun must be finished. In a nested block, and after the release, this does nothing.
        """
        return self

    def __enter__(self) -> None:
        self._blocks += 1
        if self._blocks == 1 and not self._released:
            self._limit.free(1, 0)

    def __exit__(self, *_: object) -> None:
        self._blocks -= 1
        if not (self._blocks or self._released):
            self._limit.free(-1, 0)
