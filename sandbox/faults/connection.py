"""Faults of the connection: silence, delays, and connections closed before or after the request was processed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.endpoint_request import EndpointRequest, Fault


class Abort:
    """Closes the connection without an answer after `seconds` (None: when the client disconnects)."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(_disconnect(receive), self._seconds)
        _transport(receive).abort()
        # uvicorn would answer 500 if the application returned before uvicorn has noticed.
        await _disconnect(receive)


async def hang(_request: EndpointRequest, seconds: float | None) -> ASGIApp:
    return Abort(seconds)


async def slow(request: EndpointRequest, seconds: float | None) -> ASGIApp:
    response = request.answer()
    await asyncio.sleep(2 if seconds is None else seconds)
    return response


async def drip(_request: EndpointRequest, seconds: float | None) -> ASGIApp:
    return StreamingResponse(_drops(0.2 if seconds is None else seconds), media_type="application/json")


async def drop(_request: EndpointRequest, _seconds: float | None) -> ASGIApp:
    return Abort(0)


async def lost(request: EndpointRequest, _seconds: float | None) -> ASGIApp:
    request.answer()
    return Abort(0)


async def _drops(seconds: float) -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(seconds)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(receive: Receive) -> Any:
    """The server's transport.

    ASGI has no message for closing a connection. uvicorn's `receive` is a method of the object that has the transport;
    a middleware that wraps `receive` hides it.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        raise RuntimeError("closing the connection needs uvicorn, and no middleware around receive")
    return transport


FAULTS: dict[str, Fault] = {"hang": hang, "slow": slow, "drip": drip, "drop": drop, "lost": lost}
