"""What a fault is: it takes a request that was read and logged, and gives the application that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp

from sandbox.exchange import Exchange

Fault = Callable[[Exchange, float | None], Awaitable[ASGIApp]]
