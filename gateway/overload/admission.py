"""Who gets in, decided in front of everything else: before the address is looked at, before the bearer is verified, and
before a state is spent. What is turned away may be sent again as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.error_responses import overloaded_response
from gateway.overload.places import Places
from rest.reading import BODY_LIMIT
from wire.waiting import release_slot

log = structlog.get_logger("tendon")

# Requests in the house, those included that wait for a provider, and in the queue; and seconds in the queue.
INSIDE: Final = 250
QUEUED: Final = 200
PATIENCE: Final = 1.0
# Bytes of bodies that have begun to arrive, of all requests together.
ARRIVING: Final = 16 * 1024 * 1024
# Refusals a second that the process is willing to spend its time on. Beyond that it listens less, see `_refuse`.
_REFUSALS: Final = 1000
# Seconds for which it does not listen to a connection, at most.
_DEAF: Final = 0.5
# Seconds between two lines in the log about how many were turned away.
_TELLING: Final = 1.0


class Admission:
    """Lets in what there is a place for. `free` are the beginnings of addresses that need none, such as those of files,
    and of the sandbox, which our own work waits for. `authorized` are the addresses that answer 401 to whatever has no
    Authorization header, so that its body is not waited for.

    A place is for work, so a body is waited for outside: whoever sends it slowly holds up nobody else.
    """

    def __init__(
        self, app: ASGIApp, places: Places, free: Collection[str] = (), authorized: Collection[str] = ()
    ) -> None:
        self._app = app
        self._places = places
        self._free = tuple(free)
        self._authorized = frozenset(authorized)
        self._arriving = 0
        self._refused = 0
        self._listening_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._free):
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        try:
            came = await self._arrived(scope, body)
        except _TooMuch:
            await self._refuse(scope, receive, send)
            return
        if came:
            await self._admit(scope, body, send)

    async def _admit(self, scope: Scope, body: _Body, send: Send) -> None:
        waited = (place := self._places.take()) is None
        if place is None and (place := await self._places.wait()) is None:
            await self._refuse(scope, body.rest, send)
            return
        token = release_slot.set(place.away)
        try:
            if not waited or not await Request(scope, body.rest).is_disconnected():
                await self._app(scope, body.receive, send)
        finally:
            release_slot.reset(token)
            place.give_back()

    async def _arrived(self, scope: Scope, body: _Body) -> bool:
        """Wait for all of the body that anybody will look at. False when the client left before that."""
        headers = Headers(scope=scope)
        if scope["path"] in self._authorized and "authorization" not in headers:
            return True
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > BODY_LIMIT:
            return True
        try:
            while not body.whole and body.size <= BODY_LIMIT:
                # In two steps: `+=` with an await on its right loses what others added meanwhile.
                size = await body.read()
                self._arriving += size
                if self._arriving > ARRIVING:
                    raise _TooMuch
        finally:
            self._arriving -= body.size
        return not body.lost

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """At once. But who sends again without a pause would keep us from everything else, so `deaf` tells the protocol
        for how many seconds not to listen to this connection. Together the pauses spread what comes over time."""
        loop = asyncio.get_running_loop()
        if not self._refused:
            loop.call_later(_TELLING, self._tell)
        self._refused += 1
        now = loop.time()
        self._listening_at = min(max(self._listening_at, now) + 1 / _REFUSALS, now + _DEAF)
        scope.setdefault("state", {})["deaf"] = self._listening_at - now
        await overloaded_response(scope)(scope, receive, send)

    def _tell(self) -> None:
        log.warning("overloaded", refused=self._refused)
        self._refused = 0


def places(working: int) -> Places:
    """As a process of ours has them."""
    return Places(working, max(INSIDE, working), QUEUED, PATIENCE)


class _TooMuch(Exception):
    """More bytes have begun to arrive than there is memory for."""


class _Body:
    """A request's body, read ahead and kept for the app."""

    def __init__(self, rest: Receive) -> None:
        self.rest = rest
        self.size = 0
        self.whole = False
        self.lost = False
        self._kept: list[Message] = []

    async def read(self) -> int:
        """Read one piece more. Returns its length in bytes. Of what is too long no more is kept than shows that."""
        message = await self.rest()
        self.lost = message["type"] != "http.request"
        self.whole = self.lost or not message.get("more_body", False)
        piece = message.get("body", b"")[: BODY_LIMIT + 1 - self.size]
        self._kept.append(message if self.lost else {**message, "body": piece})
        self.size += len(piece)
        return len(piece)

    async def receive(self) -> Message:
        return self._kept.pop(0) if self._kept else await self.rest()
