"""The outermost ASGI app: which app a request goes to, response headers, request ids, the access log, unexpected
exceptions, and draining."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import urandom
from time import perf_counter
from typing import Final

import structlog
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.error_responses import error_response
from gateway.health import Health, loop_time
from gateway.overload.admission import Admission
from resolvers.errors import InternalError, ServiceUnavailable
from resolvers.exception_details import exception_details
from resolvers.log_context import LOG_CONTEXT
from rest.json_http import BODY_LIMIT, Field, MethodNotAllowed
from rest.paths import PathTemplate

log = structlog.get_logger("tendon")

_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_CLOSE: Final = (b"connection", b"close")
# Seconds without a request after which no more are expected, and the longest wait for that, in seconds.
_QUIET: Final = 1.0
_LONGEST_WAIT: Final = 10.0
# Seconds for the rest of the body of a request that is rejected.
_REST: Final = 1.0


@dataclass(frozen=True, slots=True)
class Destination:
    """What is served at a path. `name` is the path in the access log.

    `app` bypasses admission. Without it, `methods` has the app for each method, and without those, Starlette's router
    decides. `authenticated` is as in `Admission.run`. What is `external` is served even while the process drains, which
    doesn't wait for it.
    """

    name: str
    app: ASGIApp | None = None
    methods: Mapping[str, ASGIApp] | None = None
    authenticated: bool = False
    external: bool = False


class Edge:
    """`routes` are those of the two interfaces, whose endpoints are ASGI apps; they are found by one look-up, because
    Starlette's middleware and matching of one pattern after the other take longer than everything else that the gateway
    does for a request. `app` is Starlette's with all others, whose paths are `paths`. `authenticated` are paths of
    `routes`. `mounts`, the paths of mounted apps, bypass admission.

    `external` are the mounts that stand for other systems and are served to the end, such as the sandbox: requests in
    progress wait for them. `background` returns when work has ended that goes on after its request.
    """

    def __init__(
        self,
        app: ASGIApp,
        admission: Admission,
        health: Health,
        *,
        routes: Iterable[Route],
        authenticated: Collection[str],
        paths: Collection[str],
        mounts: Collection[str],
        external: Collection[str],
        background: Callable[[], Awaitable[None]],
    ) -> None:
        self._app = app
        self._admission = admission
        self._health = health
        methods: dict[str, dict[str, ASGIApp]] = {}
        for route in routes:
            methods.setdefault(route.path, {}).update(dict.fromkeys(route.methods or (), route.app))
        found = [Destination(path) for path in paths]
        found += [Destination(path, health, external=True) for path in health.paths]
        found += [Destination(path, methods=its, authenticated=path in authenticated) for path, its in methods.items()]
        # A path without parameters takes precedence over one with parameters that it matches.
        self._destinations = {each.name: each for each in found if "{" not in each.name}
        self._templates = [(PathTemplate(each.name), each) for each in found if "{" in each.name]
        self._mounts = [(f"{path}/", Destination(f"{path}/*", app, external=path in external)) for path in mounts]
        self._background = background
        # Of the requests in progress: how many a drain waits for, and the headers of their responses besides the app's.
        self._in_progress = 0
        self._headers: dict[str, list[Field]] = {}
        self._idle = asyncio.Event()
        self._rejected_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        destination = self._destinations.get(scope["path"]) or self._other_destination(scope)
        state = scope["state"]
        state["request_id"] = request_id = new_request_id()
        state["headers"] = self._headers[request_id] = response_headers(request_id)
        awaited = not (destination.external or self._health.draining)
        self._in_progress += awaited
        LOG_CONTEXT.set({"request_id": request_id})
        try:
            await self._answer(destination, scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the last resort
            log.error("fault", **exception_details(error))  # noqa: TRY400 - never the text
            if "status" not in state:
                await error_response(InternalError(), scope)(scope, receive, send)
        finally:
            del self._headers[request_id]
            self._in_progress -= awaited
            if self._health.draining and not self._in_progress:
                self._idle.set()
            # Admission logs the requests that it rejects itself, many in one line.
            if "pause_reading" not in state:
                # Probes are frequent. The query is left out, as it may hold a code.
                write = log.debug if destination.name in self._health.paths else log.info
                status, milliseconds = state.get("status"), round((perf_counter() - began) * 1000, 1)
                write("request", method=scope["method"], path=destination.name, status=status, ms=milliseconds)

    async def drain(self) -> None:
        """Reject new requests. Returns when those in progress have ended and no more arrive: a load balancer learns
        from its next probe that this process is not ready, and sends requests until then."""
        self._health.draining = True
        for headers in self._headers.values():
            headers.append(_CLOSE)
        end = loop_time() + _LONGEST_WAIT
        if self._in_progress:
            await self._idle.wait()
        await self._background()
        while loop_time() < end and self._expects_requests:  # noqa: ASYNC110 - it changes with time
            await asyncio.sleep(_QUIET / 20)

    @property
    def _expects_requests(self) -> bool:
        return loop_time() < self._rejected_at + _QUIET or self._health.awaits_probe

    def _answer(self, destination: Destination, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._health.draining:
            scope["state"]["headers"].append(_CLOSE)
            if not destination.external:
                self._rejected_at = loop_time()
                return _reject(scope, receive, send)
        if destination.app is not None:
            return destination.app(scope, receive, send)
        app = self._app if destination.methods is None else _app_for(destination.methods, scope)
        return self._admission.run(app, scope, receive, send, authenticated=destination.authenticated)

    def _other_destination(self, scope: Scope) -> Destination:
        """For a path with parameters, in a mount, or unknown: clients must not choose what is logged."""
        for prefix, destination in self._mounts:
            if scope["path"].startswith(prefix):
                return destination
        for template, destination in self._templates:
            parameters = template.match(scope)
            if parameters is not None:
                scope["path_params"] = parameters
                return destination
        return _UNKNOWN


_UNKNOWN: Final = Destination("?")


def new_request_id() -> str:
    return urandom(16).hex()


def response_headers(request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of every response, including those that are sent without running the app."""
    return [*_HEADERS, (b"x-request-id", request_id.encode())]


def _app_for(methods: Mapping[str, ASGIApp], scope: Scope) -> ASGIApp:
    app = methods.get(scope["method"])
    return app or error_response(MethodNotAllowed(", ".join(sorted(methods))), scope)


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
