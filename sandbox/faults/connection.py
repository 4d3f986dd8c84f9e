"""Faults of the connection: silence, delays, and connections closed before or after the request was processed."""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.calls import Call
from sandbox.endpoint_request import EndpointRequest, Fault
from sandbox.fault_plan import PlannedFault


class Abort:
    """Closes the connection without an answer after `seconds` (None: when the client disconnects)."""

    def __init__(self, call: Call, seconds: float | None) -> None:
        self._call = call
        self._seconds = seconds

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(_hang_up(receive, self._call), self._seconds)
        _transport(receive).abort()
        # uvicorn would answer 500 if the application returned before uvicorn has noticed.
        await _disconnect(receive)


Wait = Callable[[], Awaitable[None]]


class Delayed:
    """Waits, whether the client does or not, and then sends the response; without one it processes the request then."""

    def __init__(self, request: EndpointRequest, wait: Wait, response: Response | None) -> None:
        self._request = request
        self._wait = wait
        self._response = response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watch = asyncio.create_task(_hang_up(receive, self._request.call))
        try:
            await self._wait()
        finally:
            watch.cancel()
        response = self._response or self._request.answer()
        await response(scope, receive, send)


async def hang(request: EndpointRequest, planned: PlannedFault) -> ASGIApp:
    return Abort(request.call, planned.seconds)


async def slow(request: EndpointRequest, planned: PlannedFault) -> ASGIApp:
    return Delayed(request, _sleep(planned), request.answer())


async def late(request: EndpointRequest, planned: PlannedFault) -> ASGIApp:
    return Delayed(request, _sleep(planned), None)


async def held(request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    return Delayed(request, _release(request), None)


async def held_answer(request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    return Delayed(request, _release(request), request.answer())


async def drip(_request: EndpointRequest, planned: PlannedFault) -> ASGIApp:
    return StreamingResponse(_drops(planned.duration(0.2)), media_type="application/json")


async def drop(request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    return Abort(request.call, 0)


async def lost(request: EndpointRequest, _planned: PlannedFault) -> ASGIApp:
    request.answer()
    return Abort(request.call, 0)


def _sleep(planned: PlannedFault) -> Wait:
    return lambda: asyncio.sleep(planned.duration(2))


def _release(request: EndpointRequest) -> Wait:
    return lambda: request.provider.faults.hold(request.call)


async def _drops(seconds: float) -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(seconds)


def has_gone(receive: Receive) -> bool:
    """Whether the client has closed the connection, even if the server has not noticed yet. False under a server that
    is not uvicorn."""
    transport = _found(receive)
    if transport is None:
        return False
    if transport.is_closing():
        return True
    # Clients send nothing while they wait for an answer, so what can be read is the end.
    arrived = select.poll()
    arrived.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(arrived.poll(0))


async def _hang_up(receive: Receive, call: Call) -> None:
    """Wait until the client disconnects, and log when it did."""
    await _disconnect(receive)
    if call.hung_up_at is None:
        call.hung_up_at = time.time()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(receive: Receive) -> Any:
    """The server's transport.

    ASGI has no message for closing a connection. uvicorn's `receive` is a method of the object that has the transport;
    a middleware that wraps `receive` hides it.
    """
    transport = _found(receive)
    if transport is None:
        raise RuntimeError("closing the connection needs uvicorn, and no middleware around receive")
    return transport


def _found(receive: Receive) -> Any:
    return getattr(getattr(receive, "__self__", None), "transport", None)


FAULTS: dict[str, Fault] = {
    "hang": hang,
    "slow": slow,
    "late": late,
    "held": held,
    "held_answer": held_answer,
    "drip": drip,
    "drop": drop,
    "lost": lost,
}
