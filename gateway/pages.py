"""Serves the pages of `web`, each with the settings that its script needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.settings import Settings
from rest.json_http import Response
from web import GRAPHIQL_CSP, PAGE_CSP, STATIC, connect_page, graphiql_page, index_page


def page_routes(settings: Settings) -> list[BaseRoute]:
    """Routes for the front page, the connect page and their static files; empty if the settings switch them off."""
    routes: list[BaseRoute] = []
    if settings.with_connect_page:
        config = _config(settings)
        routes += [
            Route("/connect", _endpoint(_page(connect_page(config), PAGE_CSP))),
            Route("/", _endpoint(_page(index_page(config), PAGE_CSP))),
        ]
    if settings.with_connect_page or settings.explorer:
        routes.append(Mount("/web", StaticFiles(directory=STATIC)))
    return routes


def graphiql(settings: Settings) -> Response | None:
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


def _page(html: bytes, policy: str) -> Response:
    """A page that is rendered at the start, since it is the same for all requests."""
    content_type = (b"content-type", b"text/html; charset=utf-8")
    return Response(200, html, (content_type, (b"content-security-policy", policy.encode())))


def _endpoint(page: Response) -> Callable[[Request], Awaitable[Response]]:
    async def respond(_request: Request) -> Response:
        return page

    return respond
