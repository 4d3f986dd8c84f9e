"""The edge: what every answer carries, a request id for every request, one log line for each, and a last resort."""

from __future__ import annotations

from collections.abc import Collection
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resolvers.errors import InternalError
from resolvers.failures import described
from rest.answers import problem_answer

log = structlog.get_logger("tendon")

_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_OURS: Final = {name for name, _ in _HEADERS}


class Edge:
    """Wraps the whole app. The request id is made here, never taken from the caller, and stands in `scope["state"]`."""

    def __init__(self, app: ASGIApp, paths: Collection[str], folders: Collection[str]) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._folders = tuple(f"{folder}/" for folder in folders)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        try:
            await self._app(scope, receive, exchange.send)
        except Exception as fault:  # noqa: BLE001 - the last resort
            log.error("fault", **described(fault))  # noqa: TRY400 - never the text
            if exchange.status is None:
                await problem_answer(InternalError())(scope, receive, exchange.send)
        finally:
            self._note(exchange, scope)

    def _note(self, exchange: _Exchange, scope: Scope) -> None:
        """The access log. A query may hold a code, so it is left out."""
        path = self._shown(scope["path"])
        log.info("request", method=scope["method"], path=path, status=exchange.status, ms=exchange.milliseconds)

    def _shown(self, path: str) -> str:
        """A path of ours, or `?`: what a caller made up is no line of our log."""
        if path in self._paths:
            return path
        return next((f"{folder}*" for folder in self._folders if path.startswith(folder)), "?")


class _Exchange:
    """One request and what was answered."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.request_id = uuid4().hex
        self.status: int | None = None
        self._send = send
        self._began = perf_counter()
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[Any] = [pair for pair in message.get("headers", ()) if pair[0] not in _OURS]
            message["headers"] = [*headers, *_HEADERS, (b"x-request-id", self.request_id.encode())]
        await self._send(message)

    @property
    def milliseconds(self) -> float:
        return round((perf_counter() - self._began) * 1000, 1)
