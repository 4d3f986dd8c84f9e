"""Pages that are switched off: their addresses are unknown, and no served page links to them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.test_pages import HTML
from tests.browser.visit import Visit
from tests.conftest import start_gateway
from tests.processes import Process
from tests.serving.test_loaded_modules import INTROSPECTION, LAPTOP

CONNECT_PAGE = {"/", "/connect"}
STATIC = "/web/tendon.css"
APP = "https://app.example/callback"


@contextmanager
def serving(folder: Path, settings: dict[str, str]) -> Generator[Process]:
    folder.mkdir(exist_ok=True)
    process = start_gateway(folder, settings)
    try:
        yield process
    finally:
        process.kill()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process]:
    """The gateway for `visit`."""
    with serving(tmp_path_factory.mktemp("laptop"), LAPTOP | {"TENDON_CONNECT_PAGE": "0"}) as process:
        yield process


@pytest.mark.parametrize(
    ("settings", "served"),
    [
        pytest.param(INTROSPECTION, set[str](), id="production"),
        pytest.param(INTROSPECTION | {"TENDON_CONNECT_PAGE": "1"}, {*CONNECT_PAGE, STATIC}, id="connect-page"),
        pytest.param(INTROSPECTION | {"TENDON_EXPLORE": "1"}, {"/graphql", STATIC}, id="graphiql"),
        pytest.param(LAPTOP, {*CONNECT_PAGE, "/graphql", STATIC}, id="dev"),
        pytest.param(LAPTOP | {"TENDON_CONNECT_PAGE": "0"}, {"/graphql", STATIC}, id="dev-without"),
        pytest.param(LAPTOP | {"TENDON_CONNECT_PAGE": "0", "TENDON_EXPLORE": "0"}, set[str](), id="dev-without-any"),
    ],
)
def test_what_is_served(tmp_path: Path, settings: dict[str, str], served: set[str]) -> None:
    with serving(tmp_path, settings) as gateway, httpx.Client(base_url=gateway.origin, trust_env=False) as client:
        unknown = client.get("/no/such/page", headers=HTML)
        for path in {*CONNECT_PAGE, STATIC} - served:
            answer = client.get(path, headers=HTML)
            assert (answer.status_code, answer.content) == (404, unknown.content), path
        assert (client.get("/graphql", headers=HTML).status_code == 200) == ("/graphql" in served)
        for path in served:
            page = client.get(path, headers=HTML)
            assert page.status_code == 200
            for address in set(re.findall(r'\bhref="(/[^"]*)"', page.text)):
                assert client.get(address, headers=HTML).status_code == 200, f"{path} leads to {address}"


def test_the_redirect_uri_of_a_page_that_is_off_is_not_allowed(tmp_path: Path) -> None:
    off = LAPTOP | {"TENDON_CONNECT_PAGE": "0", "TENDON_REDIRECT_URIS": f"http://127.0.0.1:*/x {APP}"}
    with serving(tmp_path, off) as gateway:
        url = f"{gateway.origin}/v1/connections/authorize"
        for redirect_uri, status in ((f"{gateway.origin}/connect", 400), (APP, 200)):
            body = {"provider": "sandbox", "redirectUri": redirect_uri}
            answer = httpx.post(url, json=body, headers={"Authorization": "Bearer dev:alice"}, trust_env=False)
            assert answer.status_code == status


def test_what_serve_prints_fits_what_is_served(tmp_path: Path) -> None:
    off = LAPTOP | {"TENDON_CONNECT_PAGE": "0", "TENDON_EXPLORE": "0"}
    with serving(tmp_path / "none", off) as gateway:
        assert re.findall(rf"{gateway.origin}(/\S+)", gateway.said) == [
            "/openapi.json",
            "/sandbox/connections",
        ]
    # A URI may contain characters that are special in a shell (RFC 3986 2.2).
    with serving(tmp_path / "one", off | {"TENDON_REDIRECT_URIS": "https://app.example/it's/$HOME"}) as gateway:
        call = re.search(r"curl -s .*", gateway.said, re.DOTALL)
        assert call
        run = subprocess.run(["sh", "-c", call[0]], capture_output=True, text=True, timeout=30, check=False)
        assert "it%27s%2F%24HOME" in run.stdout


async def test_graphiql_does_not_link_to_them(visit: Visit, gateway: Process) -> None:
    await visit.page.goto(f"{gateway.origin}/graphql")
    await expect(visit.page.get_by_text("Tendon", exact=True)).to_be_visible()
    await expect(visit.page.locator('a[href="/"]')).to_have_count(0)
    await expect(visit.page.get_by_role("region", name="Variables")).to_contain_text('"redirectUri": "…"')
