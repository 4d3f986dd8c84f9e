"""Finds the app for a request: a route of the two interfaces by one look-up, anything else by Starlette's router."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.error_responses import error_response
from rest.answers import MethodNotAllowed
from rest.paths import path_templates

_Methods = dict[str, ASGIApp]


class Dispatch:
    """Stands in front of Starlette, whose middleware and matching of one pattern after the other take longer than
    everything else that the gateway does for a request. `routes` have ASGI apps as endpoints. A path without parameters
    takes precedence over one with parameters that it matches. Exceptions are handled by the edge.
    """

    def __init__(self, routes: Iterable[Route], fallback: ASGIApp) -> None:
        methods: dict[str, _Methods] = {}
        for route in routes:
            methods.setdefault(route.path, {}).update(dict.fromkeys(route.methods or (), route.app))
        self._templates = [(template, methods.pop(template.path)) for template in path_templates(list(methods))]
        self._methods = methods
        self._fallback = fallback

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        methods = self._methods.get(scope["path"]) or self._by_template(scope)
        if methods is None:
            app = self._fallback
        else:
            app = methods.get(scope["method"]) or error_response(MethodNotAllowed(", ".join(sorted(methods))), scope)
        return app(scope, receive, send)

    def _by_template(self, scope: Scope) -> _Methods | None:
        for template, methods in self._templates:
            parameters = template.match(scope)
            if parameters is not None:
                scope["path_params"] = parameters
                return methods
        return None
