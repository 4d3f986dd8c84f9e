"""The edge: what every answer carries, a request id for every request, one log line for each, a last resort, and a
process's end: what had begun is finished, what comes new is turned away."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from time import monotonic, perf_counter
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.error_responses import error_response
from gateway.health import Health
from resolvers.errors import InternalError, ServiceUnavailable
from resolvers.failures import described
from rest.reading import BODY_LIMIT

log = structlog.get_logger("tendon")

_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_OURS: Final = {name for name, _ in _HEADERS}
_CLOSE: Final = (b"connection", b"close")
# Seconds without a request after which no more are expected, and the longest wait for that, in seconds.
_QUIET: Final = 1.0
_LONGEST: Final = 10.0
# Seconds that a caller who is turned away gets to send the rest of the body.
_REST: Final = 1.0


class Edge:
    """Wraps the whole app. The request id is made here, never taken from the caller, and stands in `scope["state"]`.

    `folders` are the mounted paths, `guests` those of them that belong to the outside world and are not ours to turn
    away. `landed` returns when the work is done whose caller went away.
    """

    def __init__(
        self,
        app: ASGIApp,
        health: Health,
        *,
        paths: Collection[str],
        folders: Collection[str],
        guests: Collection[str],
        landed: Callable[[], Awaitable[None]],
    ) -> None:
        self._app = app
        self._health = health
        self._paths = frozenset((*paths, *health.paths))
        self._folders = tuple(f"{folder}/" for folder in folders)
        self._guests = tuple(f"{folder}/" for folder in guests)
        self._landed = landed
        self._in_flight = 0
        self._last_left = asyncio.Event()
        self._turned_away_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._health)
        # Nothing else is bound for one request only. What is bound for the whole process stays.
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        try:
            await self._answer(scope, receive, exchange.send)
        except Exception as fault:  # noqa: BLE001 - the last resort
            log.error("fault", **described(fault))  # noqa: TRY400 - never the text
            if exchange.status is None:
                await error_response(InternalError(), scope)(scope, receive, exchange.send)
        finally:
            self._note(exchange, scope)

    async def drain(self) -> None:
        """Refuse new requests. Returns when those in flight have ended and no more arrive: a load balancer notices with
        its next probe that this process is not ready, and sends requests until then."""
        self._health.draining = True
        end = monotonic() + _LONGEST
        if self._in_flight:
            await self._last_left.wait()
        await self._landed()
        while monotonic() < end and self._expected:  # noqa: ASYNC110 - it changes with time
            await asyncio.sleep(_QUIET / 20)

    @property
    def _expected(self) -> bool:
        """Whether more requests are likely to arrive."""
        return monotonic() < self._turned_away_at + _QUIET or self._health.unnoticed

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in self._health.paths:
            await self._health(scope, receive, send)
        elif scope["path"].startswith(self._guests):
            await self._app(scope, receive, send)
        elif self._health.draining:
            self._turned_away_at = monotonic()
            await _turn_away(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1
            if not self._in_flight and self._health.draining:
                self._last_left.set()

    def _note(self, exchange: _Exchange, scope: Scope) -> None:
        """The access log. A query may hold a code, so it is left out. Probes come all the time, and of what admission
        turns away there is one line for many: a flood must not flood the log."""
        if "deaf" in scope["state"]:
            return
        path = self._shown(scope["path"])
        write = log.debug if path in self._health.paths else log.info
        write("request", method=scope["method"], path=path, status=exchange.status, ms=exchange.milliseconds)

    def _shown(self, path: str) -> str:
        """A path of ours, or `?`: what a caller made up is no line of our log."""
        if path in self._paths:
            return path
        return next((f"{folder}*" for folder in self._folders if path.startswith(folder)), "?")


class _Exchange:
    """One request and what was answered."""

    def __init__(self, scope: Scope, send: Send, health: Health) -> None:
        self.request_id = new_request_id()
        self.status: int | None = None
        self._send = send
        self._health = health
        self._began = perf_counter()
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[Any] = [pair for pair in message.get("headers", ()) if pair[0] not in _OURS]
            headers += response_headers(self.request_id)
            message["headers"] = [*headers, _CLOSE] if self._health.draining else headers
        await self._send(message)

    @property
    def milliseconds(self) -> float:
        return round((perf_counter() - self._began) * 1000, 1)


def new_request_id() -> str:
    return secrets.token_hex(16)


def response_headers(request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers that every response carries, also those that are sent without a run of the app."""
    return [*_HEADERS, (b"x-request-id", request_id.encode())]


async def _turn_away(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes in the body first: to hang up on one that is still coming may cost the caller the answer (RFC 9112 9.6)."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_REST):
            await _take_in(receive)
    await error_response(ServiceUnavailable(), scope)(scope, receive, send)


async def _take_in(receive: Receive) -> None:
    size = 0
    while size <= BODY_LIMIT:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            return
