"""The pages as they are sent, without a browser: their policy, their links, and the vendored files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import Process
from web import connect_page
from web.vendor import PINNED, VENDOR

PAGES = ["/", "/connect", "/graphql"]
VENDORED = {f"{folder}/{Path(name).name}": digest for folder, files in PINNED.items() for name, digest in files.items()}
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


@pytest.mark.parametrize("value", ["</script><script>alert(1)</script>", "<!-- <script>", "\u2028\u2029"])
def test_no_value_can_end_the_script_with_the_configuration(value: str) -> None:
    config: dict[str, Any] = {"graphqlUrl": "/graphql", "token": value, "dev": False}
    page = connect_page(config).decode()
    assert value not in page
    assert page.count("<script") == connect_page(config | {"token": None}).decode().count("<script")


def test_pages_outside_dev_mode_do_not_mention_dev_tokens() -> None:
    config: dict[str, Any] = {"graphqlUrl": "/graphql", "token": None, "dev": False}
    assert b"dev:alice" not in connect_page(config)
    assert b"dev:alice" in connect_page(config | {"dev": True})


@pytest.mark.parametrize("name", VENDORED)
def test_a_vendored_file_has_the_pinned_digest(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == VENDORED[name]


def test_nothing_else_is_vendored() -> None:
    found = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert found - VENDORED.keys() == {"graphiql-3.8.3/LICENSES-BUNDLED.txt"}
