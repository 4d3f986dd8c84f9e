"""The outermost ASGI app: response headers, request ids, the access log, unexpected exceptions, and draining."""

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
from resolvers.exception_details import exception_details
from rest.paths import path_templates
from rest.reading import BODY_LIMIT

log = structlog.get_logger("tendon")

_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_HEADER_NAMES: Final = {name for name, _ in _HEADERS}
_CLOSE: Final = (b"connection", b"close")
# Seconds without a request after which no more are expected, and the longest wait for that, in seconds.
_QUIET: Final = 1.0
_LONGEST_WAIT: Final = 10.0
# Seconds for the rest of the body of a request that is rejected.
_REST: Final = 1.0


class Edge:
    """`limited` is the app behind the limits on concurrency, which `mounts`, the paths of mounted apps, bypass.

    `external` are the mounts that stand for other systems and are served to the end, such as the sandbox: requests in
    progress wait for them. `background` returns when work has ended that goes on after its request.
    """

    def __init__(
        self,
        app: ASGIApp,
        limited: ASGIApp,
        health: Health,
        *,
        paths: Collection[str],
        mounts: Collection[str],
        external: Collection[str],
        background: Callable[[], Awaitable[None]],
    ) -> None:
        self._app = app
        self._limited = limited
        self._health = health
        self._paths = frozenset((*paths, *health.paths))
        self._templates = path_templates(paths)
        self._mounts = tuple(f"{mount}/" for mount in mounts)
        self._external = tuple(f"{mount}/" for mount in external)
        self._background = background
        self._in_progress = 0
        self._idle = asyncio.Event()
        self._rejected_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._health)
        # Nothing else is bound for one request only. What is bound for the whole process stays.
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        try:
            await self._answer(scope, receive, exchange.send)
        except Exception as error:  # noqa: BLE001 - the last resort
            log.error("fault", **exception_details(error))  # noqa: TRY400 - never the text
            if exchange.status is None:
                await error_response(InternalError(), scope)(scope, receive, exchange.send)
        finally:
            self._log(exchange, scope)

    async def drain(self) -> None:
        """Reject new requests. Returns when those in progress have ended and no more arrive: a load balancer learns
        from its next probe that this process is not ready, and sends requests until then."""
        self._health.draining = True
        end = monotonic() + _LONGEST_WAIT
        if self._in_progress:
            await self._idle.wait()
        await self._background()
        while monotonic() < end and self._expects_requests:  # noqa: ASYNC110 - it changes with time
            await asyncio.sleep(_QUIET / 20)

    @property
    def _expects_requests(self) -> bool:
        return monotonic() < self._rejected_at + _QUIET or self._health.awaits_probe

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path in self._health.paths:
            await self._health(scope, receive, send)
        elif path.startswith(self._external):
            await self._app(scope, receive, send)
        elif self._health.draining:
            self._rejected_at = monotonic()
            await _reject(scope, receive, send)
        else:
            self._in_progress += 1
            try:
                await (self._app if path.startswith(self._mounts) else self._limited)(scope, receive, send)
            finally:
                self._in_progress -= 1
                if not self._in_progress and self._health.draining:
                    self._idle.set()

    def _log(self, exchange: _Exchange, scope: Scope) -> None:
        """The access log. The query is left out, as it may hold a code. Probes are frequent, so they are logged for
        debugging only. Admission logs the requests that it rejects itself, many in one line."""
        if "pause_reading" in scope["state"]:
            return
        path = self._log_path(scope)
        write = log.debug if path in self._health.paths else log.info
        write("request", method=scope["method"], path=path, status=exchange.status, ms=exchange.milliseconds)

    def _log_path(self, scope: Scope) -> str:
        """A path that is served, with the names of its parameters, or `?`: clients must not choose what is logged."""
        path = scope["path"]
        if path in self._paths:
            return path
        for template in self._templates:
            if template.match(scope) is not None:
                return template.path
        return next((f"{mount}*" for mount in self._mounts if path.startswith(mount)), "?")


class _Exchange:
    """One request, whose id is made here and never taken from the client, and what its response needs."""

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
            headers: list[Any] = [field for field in message.get("headers", ()) if field[0] not in _HEADER_NAMES]
            headers += response_headers(self.request_id)
            message["headers"] = [*headers, _CLOSE] if self._health.draining else headers
        await self._send(message)

    @property
    def milliseconds(self) -> float:
        return round((perf_counter() - self._began) * 1000, 1)


def new_request_id() -> str:
    return secrets.token_hex(16)


def response_headers(request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of every response, including those that are sent without running the app."""
    return [*_HEADERS, (b"x-request-id", request_id.encode())]


async def _reject(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body first: if the connection is closed while it is still arriving, the client may lose the response
    (RFC 9112 9.6)."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_REST):
            await _read_body(receive)
    await error_response(ServiceUnavailable(), scope)(scope, receive, send)


async def _read_body(receive: Receive) -> None:
    size = 0
    while size <= BODY_LIMIT:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            return
