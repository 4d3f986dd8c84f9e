"""The pages for people, with what they need to know of this service."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from gateway.settings import Settings
from web import GRAPHIQL_CSP, PAGE_CSP, connect_page, graphiql_page, index_page


class Pages:
    """Rendered once: a page differs by settings, never by request."""

    def __init__(self, settings: Settings) -> None:
        config = {
            "graphqlUrl": "/graphql",
            "token": "dev:alice" if settings.dev else None,
            "dev": settings.dev,
            "explorer": settings.explorer,
            "connectPage": settings.with_connect_page,
        }
        self.index = _page(index_page(config), PAGE_CSP)
        self.connect = _page(connect_page(config), PAGE_CSP)
        self.graphiql = _page(graphiql_page(config), GRAPHIQL_CSP)


def _page(html: bytes, policy: str) -> Callable[..., Response]:
    def respond(*_request: object) -> Response:
        return Response(html, headers={"Content-Security-Policy": policy}, media_type="text/html")

    return respond
