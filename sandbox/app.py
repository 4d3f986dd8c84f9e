"""The sandbox as an ASGI application: the endpoints of all imitated providers, and the control API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.adapters import endpoints
from sandbox.authorization_endpoint import authorize
from sandbox.calls import CallLog
from sandbox.client import Client
from sandbox.connections_page import ConnectionsPage
from sandbox.control import Control
from sandbox.dialect import Dialect, path
from sandbox.endpoint_request import EndpointRequest, read_request
from sandbox.fault_plan import FaultPlan
from sandbox.faults import FAULTS
from sandbox.faults.connection import has_gone
from sandbox.faults.replaced import elsewhere
from sandbox.provider import Provider
from sandbox.refreshing import refresh_token
from sandbox.resources import account, api, granted
from sandbox.responses import document
from sandbox.revocation import revocation_endpoint
from sandbox.settings import Settings
from sandbox.token_endpoint import GrantType, authorization_code, token_endpoint
from sandbox.token_store import TokenStore

__all__ = ["Client", "create_app"]


def create_app(
    dialects: Iterable[Dialect],
    clients: Mapping[str, Client],
    settings: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Starlette:
    """A provider for every dialect; `clients` are by its key or slug. A provider without a client rejects every app.

    `settings`, by slug, come before what the entry says. The application keeps its state in memory. It can be served at
    the root or mounted. Raises pydantic.ValidationError if a setting is wrong.
    """
    tokens, calls, faults = TokenStore(), CallLog(), FaultPlan()
    providers = {
        dialect.key: Provider(
            dialect,
            clients.get(dialect.key, clients.get(dialect.slug)),
            Settings.of(dialect).changed(settings.get(dialect.slug, {})),
            tokens,
            calls,
            faults,
        )
        for dialect in dialects
    }
    control = Control(providers, tokens, calls, faults)
    routes: list[BaseRoute] = [Mount("/_control", routes=control.routes)]
    for provider in providers.values():
        routes.extend(_routes(provider))
    app = Starlette(routes=routes)
    # Providers don't redirect from `/token/` to `/token`.
    app.router.redirect_slashes = False
    return app


class Endpoint:
    """One endpoint of a provider. It logs each request, then answers it, or lets a planned fault answer it.

    It is an ASGI application because faults need the server's own `receive` to close the connection.
    """

    def __init__(
        self, provider: Provider, name: str, methods: tuple[str, ...], respond: Callable[[EndpointRequest], Response]
    ) -> None:
        self._provider = provider
        self._name = name
        self._methods = methods
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(self._provider, self._name, Request(scope, receive), self._respond)
        call = request.call
        if has_gone(receive):
            # The answer can be sent all the same, and nobody hears it.
            call.hung_up_at = call.time
        response = await self._response(request)
        try:
            await response(scope, receive, send)
        finally:
            call.closed_at = time.time()

    async def _response(self, request: EndpointRequest) -> ASGIApp:
        call = request.call
        if call.method not in self._methods:
            call.outcome = "method_not_allowed"
            return document({"error": "invalid_request"}, 405, {"Allow": ", ".join(self._methods)})
        planned = self._provider.faults.take(call)
        if planned is None:
            return request.answer()
        # A fault that processes the request overwrites the outcome.
        call.fault = call.outcome = planned.fault
        if planned.answer is not None:
            return Response(planned.answer.body, planned.answer.status, planned.answer.headers)
        return await FAULTS[planned.fault](request, planned)


def _routes(provider: Provider) -> Iterator[Route]:
    def route(
        path_name: str,
        name: str,
        methods: tuple[str, ...],
        respond: Callable[[EndpointRequest], Response],
        below: str = "",
    ) -> Route:
        return Route(path(provider.slug, path_name, provider.site) + below, Endpoint(provider, name, methods, respond))

    dialect = provider.dialect
    code: dict[str, GrantType] = {"authorization_code": authorization_code}
    refresh: dict[str, GrantType] = {"refresh_token": refresh_token}
    yield route("authorize", "authorize", ("GET", "POST"), authorize)
    both = code if dialect.separate_refresh else code | refresh
    yield route("token", "token", ("POST",), token_endpoint(both, dialect.queries.get("token", {})))
    if dialect.separate_refresh:
        yield route("refresh", "token", ("POST",), token_endpoint(refresh, dialect.queries.get("refresh", {})))
    yield route("account", "account", (dialect.account_call.method,), account)
    if dialect.granted_call:
        yield route("granted", "granted", ("GET",), granted)
    yield route("api", "api", ("GET",), api, "/{path:path}")
    rule = dialect.revocation
    if rule and rule.adapter is None:
        below = "/{path:path}" if rule.segments else ""
        yield route("revoke", "revoke", (rule.method,), revocation_endpoint(rule), below)
    for adapter in filter(None, (rule and rule.adapter, dialect.preparation)):
        for name, played in endpoints(adapter).items():
            yield route(name, name, (played.method,), played.respond)
    connections = path(provider.slug, "connections", provider.site)
    yield Route(connections, ConnectionsPage(provider).__call__, methods=["GET", "POST"])
    yield route("elsewhere", "elsewhere", ("GET", "POST"), elsewhere)
