"""Serves the pages of `web`, each with the settings that its script needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.settings import Settings
from web import GRAPHIQL_CSP, PAGE_CSP, STATIC, connect_page, graphiql_page, index_page

Page = Callable[[Request], Awaitable[Response]]


def page_routes(settings: Settings) -> list[BaseRoute]:
    """Routes for the front page, the connect page and their static files; empty if the settings switch them off."""
    routes: list[BaseRoute] = []
    if settings.with_connect_page:
        config = _config(settings)
        routes += [
            Route("/connect", _page(connect_page(config), PAGE_CSP)),
            Route("/", _page(index_page(config), PAGE_CSP)),
        ]
    if settings.with_connect_page or settings.explorer:
        routes.append(Mount("/web", StaticFiles(directory=STATIC)))
    return routes


def graphiql(settings: Settings) -> Page | None:
    """GraphiQL, which `/graphql` serves to browsers; None where it is switched off."""
    return _page(graphiql_page(_config(settings)), GRAPHIQL_CSP) if settings.explorer else None


def _config(settings: Settings) -> dict[str, object]:
    return {
        "graphqlUrl": "/graphql",
        "token": "dev:alice" if settings.dev else None,
        "dev": settings.dev,
        "explorer": settings.explorer,
        "connectPage": settings.with_connect_page,
    }


def _page(html: bytes, policy: str) -> Page:
    """Serves a page that was rendered at the start, since it is the same for all requests."""

    async def respond(_request: Request) -> Response:
        return Response(html, headers={"Content-Security-Policy": policy}, media_type="text/html")

    return respond
