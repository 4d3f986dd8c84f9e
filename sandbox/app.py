"""The sandbox as one application: the endpoints of every dialect it speaks, and the control API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from sandbox.account import account
from sandbox.authorize import authorize
from sandbox.calls import Calls
from sandbox.client import Client
from sandbox.control import Control
from sandbox.dialect import Dialect, path
from sandbox.endpoint import Endpoint
from sandbox.exchange import Exchange
from sandbox.faults.refusals import elsewhere
from sandbox.grants import authorization_code, refresh_token
from sandbox.ledger import Ledger
from sandbox.plan import Plan
from sandbox.provider import Provider
from sandbox.revoke import revocation_endpoint
from sandbox.settings import Settings
from sandbox.token import Grant, token_endpoint

__all__ = ["Client", "create_app"]


def create_app(dialects: Iterable[Dialect], clients: Mapping[str, Client], *, code_life: float = 60) -> Starlette:
    """A provider for every dialect; `clients` by slug. A dialect without a client refuses every app.

    `code_life` is in seconds. The app keeps its state in memory and can stand at a server's root or be mounted.
    """
    ledger, calls, plan = Ledger(), Calls(), Plan()
    providers = {
        dialect.slug: Provider(dialect, clients.get(dialect.slug), Settings(code_life=code_life), ledger, calls, plan)
        for dialect in dialects
    }
    control = Control(providers, ledger, calls, plan)
    routes: list[BaseRoute] = [Mount("/_control", routes=control.routes)]
    for provider in providers.values():
        routes.extend(_routes(provider))
    app = Starlette(routes=routes)
    # A redirect from `/token/` to `/token` would be kinder than any provider is.
    app.router.redirect_slashes = False
    return app


def _routes(provider: Provider) -> Iterator[Route]:
    def route(place: str, name: str, methods: tuple[str, ...], respond: Callable[[Exchange], Response]) -> Route:
        return Route(path(provider.slug, place), Endpoint(provider, name, methods, respond))

    dialect = provider.dialect
    code: dict[str, Grant] = {"authorization_code": authorization_code}
    refresh: dict[str, Grant] = {"refresh_token": refresh_token}
    yield route("authorize", "authorize", ("GET", "POST"), authorize)
    yield route("token", "token", ("POST",), token_endpoint(code if dialect.separate_refresh else code | refresh))
    if dialect.separate_refresh:
        yield route("refresh", "token", ("POST",), token_endpoint(refresh))
    yield route("account", "account", ("GET",), account)
    if dialect.revocation:
        yield route("revoke", "revoke", (dialect.revocation.method,), revocation_endpoint(dialect.revocation))
    yield route("elsewhere", "elsewhere", ("GET", "POST"), elsewhere)
