"""Which pages are served by which settings, and what their scripts are told."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.routing import Mount, Route

from gateway.pages import graphiql, page_routes
from gateway.settings import Settings
from gateway.settings.reading import settings_of
from web import GRAPHIQL_CSP, PAGE_CSP

PAGES = {"/connect", "/"}


def settings(auth: str, page: str | None, explore: str | None) -> Settings:
    values = {"auth": auth, "connect_page": page, "explore": explore}
    return settings_of(Settings, {name: value for name, value in values.items() if value is not None})


@pytest.mark.parametrize(
    ("auth", "page", "explore", "paths", "explorer"),
    [
        ("dev", None, None, {*PAGES, "/web"}, True),
        ("dev", "0", None, {"/web"}, True),
        ("dev", None, "0", {*PAGES, "/web"}, False),
        ("dev", "0", "0", set(), False),
        ("jwt", None, None, set(), False),
        ("jwt", "1", None, {*PAGES, "/web"}, False),
        ("jwt", None, "1", {"/web"}, True),
    ],
)
def test_what_is_served(auth: str, page: str | None, explore: str | None, paths: set[str], explorer: bool) -> None:
    given = settings(auth, page, explore)
    routes = page_routes(given)
    assert {route.path for route in routes if isinstance(route, Route | Mount)} == paths
    assert (graphiql(given) is not None) is explorer


async def test_a_page_and_its_policy() -> None:
    given = settings("dev", None, None)
    request = Request({"type": "http"})
    for route in page_routes(given):
        if isinstance(route, Route):
            response = await route.endpoint(request)
            headers = dict(response.headers)
            assert headers[b"content-security-policy"] == PAGE_CSP.encode()
            assert headers[b"content-type"] == b"text/html; charset=utf-8"
            assert b"dev:alice" in response.body
    explorer = graphiql(given)
    assert explorer is not None
    assert dict(explorer.headers)[b"content-security-policy"] == GRAPHIQL_CSP.encode()


async def test_only_dev_has_a_token_of_its_own() -> None:
    for route in page_routes(settings("jwt", "1", "1")):
        if isinstance(route, Route):
            assert b"dev:alice" not in (await route.endpoint(Request({"type": "http"}))).body
