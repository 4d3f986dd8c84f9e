"""From an address to who answers it: those of the two interfaces by one look-up, all else by Starlette's router."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class Dispatch:
    """In front of Starlette's app, whose middleware and matching of one pattern after the other cost a request more
    than all that the gateway does for it. `routes` have no parameters in their paths, and ASGI apps as endpoints.

    What they raise is the edge's to answer, as it is that of the app behind.
    """

    def __init__(self, routes: Iterable[Route], otherwise: ASGIApp) -> None:
        self._known = {(method, route.path): route.app for route in routes for method in route.methods or ()}
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = self._known.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        await (known or self._otherwise)(scope, receive, send)
