"""The ASGI app: which path is served by what, and the context that a request runs in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.routing import Mount, Route

from gateway import dev_sandbox, pages
from gateway.bearer import Verifier, open_verifier, read_bearer
from gateway.edge import Edge
from gateway.error_responses import error_response
from gateway.graphql_http import GraphQLEndpoint
from gateway.health import Health
from gateway.overload.admission import Admission, concurrency_limit
from gateway.resources import Configuration, configure, open_resources
from gateway.settings import Settings
from gateway.settings.warnings import SettingsWarning, settings_warnings
from gateway.startup_log import log_start
from models.database import DatabaseDown
from resolvers import audit
from resolvers.caller import Caller
from resolvers.context import Context, Resources
from resolvers.errors import InternalError, InvalidToken, Problem, ServiceUnavailable
from rest.endpoint import rest_routes
from rest.json_http import JSON_TYPE, Field, MethodNotAllowed, NotFound, Request, Response, answer, encode
from rest.openapi import JWK_SET_PATH, openapi_document
from rest.routes import ROUTES, Routes
from schema.execution import Executor

log = structlog.get_logger("tendon")

# Short enough that a new key is known soon after a restart.
_FOR_MINUTES: Final[Field] = (b"cache-control", b"public, max-age=300")


def create_app(settings: Settings, environment: Mapping[str, str], origin: str, rest: Routes = ROUTES) -> Edge:
    """The whole service. `origin` is where it is served, such as http://127.0.0.1:8000.

    It has no thread, event loop or connection before its lifespan begins, so processes that are forked after this share
    it, including the credentials that are generated here. Raises SettingsError for settings, catalogue entries or keys
    that can't be used.
    """
    redirect_uris = dev_sandbox.redirect_uris(settings, origin)
    with_sandbox = dev_sandbox.with_registration(settings, origin, environment)
    configuration = configure(settings, with_sandbox, redirect_uris)
    warnings = list(settings_warnings(settings, environment, configuration.catalogue))
    gateway = Gateway(configuration, open_verifier(settings), warnings)
    interfaces = _interfaces(settings, rest, gateway)
    sandbox = dev_sandbox.routes(settings, with_sandbox, redirect_uris)
    others = [_openapi(rest, settings), *_client_keys(settings), *pages.page_routes(settings), *sandbox]
    # Starlette's types ask for its own responses, but it runs any ASGI app that a handler returns.
    handlers: dict[Any, Any] = {HTTPException: _http_problem, Exception: _fault}
    app = Starlette(routes=others, lifespan=gateway.lifespan, exception_handlers=handlers)
    # A redirect would be built from the Host header, and clients would send code and state there.
    app.router.redirect_slashes = False
    return Edge(
        app,
        Admission(concurrency_limit(settings.concurrency)),
        gateway.health,
        routes=interfaces,
        authenticated=[row.path for row in rest],
        paths=[route.path for route in others if isinstance(route, Route)],
        mounts=[route.path for route in others if isinstance(route, Mount)],
        external=[route.path for route in sandbox],
        background=gateway.drain,
    )


class Gateway:
    """One process of the service. `resources` are there while it serves."""

    resources: Resources

    def __init__(
        self, configuration: Configuration, verifier: Verifier, warnings: Sequence[SettingsWarning] = ()
    ) -> None:
        self.health = Health(configuration.vault)
        self._configuration = configuration
        self._warnings = warnings
        self._verifier = verifier
        self._rate = configuration.settings.new_rate_limiter()

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        async with open_resources(self._configuration) as self.resources, self.health.watching(self.resources.database):
            log_start(self._configuration, self._warnings)
            try:
                yield
            finally:
                await self._verifier.close()

    async def drain(self) -> None:
        """Returns when work has ended that goes on after its request."""
        await self.resources.background.drain()

    async def open_context(self, request: Request) -> Context:
        """The context of a request. Raises InvalidToken; ServiceUnavailable when the token can't be verified now; and
        RateLimited."""
        # The edge gave it to the request.
        request_id = request.scope["state"]["request_id"]
        try:
            headers = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"authorization"]
            token = read_bearer(headers)
            caller = None if token is None else await self._verifier.verify(token)
        except InvalidToken as refusal:
            await self._record(refusal, request_id)
            raise
        if self._rate is None:
            return Context(self.resources, caller, request_id)
        self._rate.spend(caller)
        return Context(self.resources, caller, request_id, partial(self._rate.spend, caller))

    async def _record(self, refusal: InvalidToken, request_id: str) -> None:
        """Log the refusal. Also record it in the audit trail, if the token identifies a user or a client. Raises
        ServiceUnavailable."""
        client = {} if refusal.client_id is None else {"client": refusal.client_id}
        log.info("bearer.refused", reason=refusal.reason, **client)
        if refusal.subject is None and refusal.client_id is None:
            return
        identified = Caller(user=refusal.subject, client_id=refusal.client_id, scopes=frozenset())
        try:
            await audit.denied(Context(self.resources, identified, request_id), audit.AUTHENTICATE, refusal)
        except DatabaseDown as fault:
            log.error("database.down", error=fault.reason)  # noqa: TRY400 - the reason is enough
            raise ServiceUnavailable from None


def _interfaces(settings: Settings, rest: Routes, gateway: Gateway) -> list[Route]:
    executor = Executor(explore=settings.explorer)
    graphql = GraphQLEndpoint(executor, gateway.open_context, pages.graphiql(settings))
    return [*rest_routes(rest, executor, gateway.open_context), Route("/graphql", graphql, methods=["GET", "POST"])]


def _openapi(rest: Routes, settings: Settings) -> Route:
    response = answer(openapi_document(rest, client_keys=bool(settings.client_keys)))

    async def openapi(_request: StarletteRequest) -> Response:
        return response

    return Route("/openapi.json", openapi)


def _client_keys(settings: Settings) -> list[Route]:
    """The route of our public keys, if there are any."""
    if not settings.client_keys:
        return []
    response = Response(200, encode({"keys": [key.public for key in settings.client_keys]}), (JSON_TYPE, _FOR_MINUTES))

    async def client_keys(request: StarletteRequest) -> Response:
        # The edge's fields come before those of the app.
        added: list[Field] = request.scope["state"]["headers"]
        added[:] = [field for field in added if field[0] != _FOR_MINUTES[0]]
        return response

    return [Route(JWK_SET_PATH, client_keys)]


async def _fault(request: StarletteRequest, _fault: Exception) -> Response:
    """The response to an unexpected exception, which the edge logs."""
    return error_response(InternalError(), request.scope)


async def _http_problem(request: StarletteRequest, fault: Exception) -> Response:
    """An error of Starlette's router, in the format of the interface."""
    return error_response(_problem(fault), request.scope)


def _problem(fault: Exception) -> Problem:
    if isinstance(fault, HTTPException) and fault.status_code == 405:  # noqa: PLR2004 - RFC 9110 15.5.6
        allowed = (fault.headers or {}).get("Allow", "")
        return MethodNotAllowed(", ".join(sorted(allowed.split(", "))))
    return NotFound()
