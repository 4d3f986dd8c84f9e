"""The pages as they are sent, without a browser: their policy and their links."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.processes import Process

PAGES = ["/", "/connect", "/graphql"]
# As a browser asks for a page.
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def get(client: httpx.AsyncClient, gateway: Process, path: str) -> httpx.Response:
    response = await client.get(gateway.origin + path, headers=HTML)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return response


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_under_a_strict_policy(client: httpx.AsyncClient, gateway: Process, path: str) -> None:
    policy = (await get(client, gateway, path)).headers["content-security-policy"]
    directives = {name: sources for name, *sources in map(str.split, policy.split(";"))}
    for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert directives.pop(name) == ["'none'"]
    assert directives["script-src"] == ["'self'"]
    assert directives["connect-src"] == ["'self'"]
    sources = {source for listed in directives.values() for source in listed}
    assert {source for source in sources if not source.startswith("'sha256-")} <= {"'self'", "data:"}


@pytest.mark.parametrize("path", [*PAGES, "/web/connect.js", "/web/nothing.js"])
async def test_responses_are_not_cached_or_sniffed(client: httpx.AsyncClient, gateway: Process, path: str) -> None:
    headers = (await client.get(gateway.origin + path, headers=HTML)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
async def test_all_links_of_a_page_are_ours_and_exist(client: httpx.AsyncClient, gateway: Process, path: str) -> None:
    named = re.findall(r'\b(?:href|src)="([^"]*)"', (await get(client, gateway, path)).text)
    assert named
    assert all(re.match(r"/(?!/)", address) for address in named)
    for address in set(named):
        assert (await client.get(gateway.origin + address, headers=HTML)).status_code == 200
