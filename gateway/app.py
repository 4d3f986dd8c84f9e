"""The ASGI app: opens what all requests share, and says which address is answered by which room."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gateway import dev_sandbox
from gateway.bearer import Verifier, open_verifier, read_bearer
from gateway.database_check import warn_of_database
from gateway.dispatch import Dispatch
from gateway.edge import Edge
from gateway.error_responses import error_response
from gateway.graphql_http import GraphQLEndpoint
from gateway.health import Health
from gateway.keys import open_vault
from gateway.overload.admission import Admission, concurrency_limit
from gateway.overload.rate import Rate
from gateway.pages import Pages
from gateway.settings import Settings
from gateway.settings.registrations import read_registrations
from gateway.settings.service_clients import as_entries
from gateway.settings.warnings import SettingsWarning, settings_warnings
from models.database import DatabaseDown, open_database
from models.engine import parse_url
from models.vault import Vault
from providers.catalogue import SANDBOX, Catalogue
from resolvers import audit
from resolvers.background import Background
from resolvers.caller import Caller
from resolvers.context import Context, Registration, Resources
from resolvers.errors import InternalError, InvalidToken, Problem, ServiceUnavailable
from resolvers.redirects import RedirectAllowList
from rest.answers import MethodNotAllowed, NotFound, answer
from rest.endpoint import rest_routes
from rest.openapi import openapi_document
from rest.routes import ROUTES, Routes
from schema.execution import Executor
from web import STATIC
from wire.http.client import open_client
from wire.waiting import waiting

log = structlog.get_logger("tendon")


@dataclass
class Gateway:
    """What the lifespan opens. A request finds it open: the server serves between start-up and shut-down only."""

    settings: Settings
    catalogue: Catalogue
    registrations: Mapping[str, Registration]
    redirects: RedirectAllowList
    verifier: Verifier
    vault: Vault
    health: Health
    rate: Rate
    warnings: list[SettingsWarning]
    background: Background = field(default_factory=Background)
    resources: Resources = field(init=False)

    async def open_context(self, request: Request) -> Context:
        """The request's context. Raises InvalidToken, and ServiceUnavailable when nobody can say."""
        try:
            token = read_bearer(request.headers.getlist("authorization"))
            with waiting():
                caller = None if token is None else await self.verifier.verify(token)
        except InvalidToken as refused:
            client = {} if refused.client_id is None else {"client": refused.client_id}
            log.info("bearer.refused", reason=refused.reason, **client)
            await self._record(refused, request)
            raise
        self.rate.spend(caller)
        request_id = request.scope["state"]["request_id"]
        return Context(self.resources, caller, request_id, partial(self.rate.spend, caller))

    async def _record(self, refused: InvalidToken, request: Request) -> None:
        """Records the refusal in the audit trail when the token identifies a user or a client. Raises
        ServiceUnavailable."""
        if refused.subject is None and refused.client_id is None:
            return
        named = Caller(user=refused.subject, client_id=refused.client_id, scopes=frozenset())
        context = Context(self.resources, named, request.scope["state"]["request_id"])
        try:
            await audit.denied(context, audit.AUTHENTICATE, refused)
        except DatabaseDown as fault:
            log.error("database.down", error=fault.reason)  # noqa: TRY400 - the reason is enough
            raise ServiceUnavailable from None

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        settings = self.settings
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(open_database(settings.database_url, settings.database_limits))
            await stack.enter_async_context(self.health.watching(database))
            client = open_client(allow_private=settings.private_providers, timeout=settings.provider_timeout)
            stack.push_async_callback(client.aclose)
            stack.push_async_callback(self.verifier.close)
            stack.push_async_callback(self.background.drain)
            self.resources = Resources(
                catalogue=self.catalogue,
                registrations=self.registrations,
                redirects=self.redirects,
                database=database,
                vault=self.vault,
                client=client,
                provider_timeout=settings.provider_timeout,
                background=self.background,
            )
            self.background.on_drain(self.resources.repeats.close)
            self._tell()
            yield

    def _tell(self) -> None:
        """What the log says first, so that nobody has to guess what this process is."""
        url = self.settings.database_url
        log.info(
            "started",
            auth=self.settings.auth,
            database=str(parse_url(url)),
            providers=sorted(self.registrations),
            services=as_entries(self.settings.service_clients),
            version=version("tendon"),
        )
        warn_of_database(url)
        if not self.settings.dev and "database_url" not in self.settings.model_fields_set:
            log.warning("database.default", reason="TENDON_DATABASE_URL is not set")
        asked = {"introspection": self.settings.introspection_url, "jwt": self.settings.jwks_url}
        for way, url in asked.items():
            if way in self.settings.auth and (url or "").startswith("http:"):
                log.warning("plain.http", way=way, reason="tokens or keys are sent unencrypted")
        if not self.redirects:
            log.warning("nothing.to.redirect.to", reason="TENDON_REDIRECT_URIS is empty, so nobody can connect")
        if not self.registrations and not self.settings.dev:
            log.warning(
                "no.providers",
                reason="no provider has credentials, so nobody can connect: set <SLUG>_CLIENT_ID and"
                " <SLUG>_CLIENT_SECRET; `tendon providers` lists the names",
            )
        for warning in self.warnings:
            log.warning(warning.event, name=warning.about, reason=warning.reason)


def create_app(settings: Settings, environment: Mapping[str, str], origin: str, rest: Routes = ROUTES) -> Edge:
    """The whole service. `origin` is where it is served, such as http://127.0.0.1:8000.

    It has no thread, event loop or connection before its lifespan begins, so processes that are forked can share it
    and agree on what is made up here. Raises SettingsError for settings, catalogue entries or keys that can't be used.
    """
    redirect_uris = dev_sandbox.redirect_uris(settings, origin)
    warnings = list(settings_warnings(settings, environment))
    environment = dev_sandbox.with_registration(settings, origin, environment)
    gateway = _gateway(settings, environment, redirect_uris, warnings)
    executor = Executor(explore=settings.explorer)
    guests = dev_sandbox.routes(settings, environment, redirect_uris)
    interfaces = _interfaces(settings, rest, executor, gateway)
    others = [*_pages(settings, rest), *guests]
    app = Starlette(
        routes=others,
        lifespan=gateway.lifespan,
        exception_handlers={HTTPException: _http_problem, Exception: _fault},
    )
    # A redirect would be built from the Host header, and clients would send code and state there.
    app.router.redirect_slashes = False
    return Edge(
        app,
        Admission(
            Dispatch(interfaces, app),
            concurrency_limit(settings.concurrency),
            authenticated=[row.path for row in rest],
        ),
        gateway.health,
        paths=[route.path for route in (*interfaces, *others) if isinstance(route, Route)],
        mounts=[route.path for route in others if isinstance(route, Mount)],
        external=[route.path for route in guests if isinstance(route, Mount)],
        background=gateway.background.drain,
    )


def _gateway(
    settings: Settings, environment: Mapping[str, str], redirect_uris: list[str], warnings: list[SettingsWarning]
) -> Gateway:
    vault = open_vault(settings)
    catalogue, registrations = read_registrations(settings, environment)
    known = {slug: entry for slug, entry in catalogue.items() if slug != SANDBOX or slug in registrations}
    allowed = RedirectAllowList(redirect_uris)
    verifier = open_verifier(settings)
    return Gateway(settings, known, registrations, allowed, verifier, vault, Health(vault), settings.rate, warnings)


def _interfaces(settings: Settings, rest: Routes, executor: Executor, gateway: Gateway) -> list[Route]:
    page = Pages(settings).graphiql if settings.explorer else None
    graphql = GraphQLEndpoint(executor, gateway.open_context, page)
    return [*rest_routes(rest, executor, gateway.open_context), Route("/graphql", graphql, methods=["GET", "POST"])]


def _pages(settings: Settings, rest: Routes) -> list[BaseRoute]:
    pages = Pages(settings)
    description = openapi_document(rest)

    async def openapi(_request: Request) -> Response:
        return answer(description)

    async def index(_request: Request) -> Response:
        return pages.index()

    async def connect(_request: Request) -> Response:
        return pages.connect()

    routes: list[BaseRoute] = [Route("/openapi.json", openapi)]
    if settings.with_connect_page:
        routes += [Route("/connect", connect), Route("/", index)]
    if settings.with_connect_page or settings.explorer:
        routes.append(Mount("/web", StaticFiles(directory=STATIC)))
    return routes


async def _fault(request: Request, _fault: Exception) -> Response:
    """The answer to an unexpected exception. The edge logs it."""
    return error_response(InternalError(), request.scope)


async def _http_problem(request: Request, fault: Exception) -> Response:
    """Errors of Starlette's router, in the form of the interface."""
    return error_response(_problem(fault), request.scope)


def _problem(fault: Exception) -> Problem:
    if isinstance(fault, HTTPException) and fault.status_code == 405:  # noqa: PLR2004 - RFC 9110 15.5.6
        allowed = (fault.headers or {}).get("Allow", "")
        return MethodNotAllowed(", ".join(sorted(allowed.split(", "))))
    return NotFound()
