"""Finds the app for a request: a route of the two interfaces by one look-up, anything else by Starlette's router."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class Dispatch:
    """Stands in front of Starlette, whose middleware and matching of one pattern after the other take longer than
    everything else that the gateway does for a request. `routes` have no parameters in their paths, and ASGI apps as
    endpoints. Exceptions are handled by the edge.
    """

    def __init__(self, routes: Iterable[Route], fallback: ASGIApp) -> None:
        self._apps = {(method, route.path): route.app for route in routes for method in route.methods or ()}
        self._fallback = fallback

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._apps.get((scope["method"], scope["path"]), self._fallback)(scope, receive, send)
