"""The connect page in a real browser, with a provider that has several sites."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.conftest import start_gateway
from tests.processes import Process

ENTRY = """
slug = "acme"
name = "Acme"
docs = "https://acme.example/docs"
[variables]
region = "none"
[authorize]
url = "http://acme.localhost/{region}/authorize"
[token]
url = "http://acme.localhost/{region}/token"
"""
SITES = """
[sites.us]
name = "United States"
variables = { region = "us" }
[sites.eu]
name = "Europe"
variables = { region = "eu" }
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process]:
    """`one` offers one of its sites only."""
    folder: Path = tmp_path_factory.mktemp("sites")
    (folder / "catalogue").mkdir()
    (folder / "catalogue" / "acme.toml").write_text(ENTRY + SITES, encoding="utf-8")
    (folder / "catalogue" / "one.toml").write_text(
        ENTRY.replace('"acme"', '"one"').replace('"Acme"', '"One"') + SITES, encoding="utf-8"
    )
    settings = {"TENDON_AUTH": "dev", "TENDON_CATALOGUE": str(folder / "catalogue"), "ONE_SITES": "eu"}
    settings |= {f"{slug}_CLIENT_{part}": "x" for slug in ("ACME", "ONE") for part in ("ID", "SECRET")}
    process = start_gateway(folder, settings)
    yield process
    process.kill()


@pytest.fixture
async def page(browser: Browser, gateway: Process) -> AsyncGenerator[Page]:
    """The connect page, in a browser in which Acme's pages are empty."""

    async def answer(route: Route) -> None:
        await route.fulfill(body="", content_type="text/html")

    async with await browser.new_context() as context:
        page = await context.new_page()
        await page.route("http://acme.localhost/**", answer)
        await page.goto(f"{gateway.origin}/connect")
        yield page


async def asked(page: Page, provider: str, region: str) -> dict[str, Any]:
    """The input of the mutation that follows a click, once the browser is at the region's page."""
    button = page.get_by_role("button", name=f"Connect {provider}", exact=True)
    async with page.expect_request(lambda request: "mutation Authorize" in (request.post_data or "")) as sent:
        await button.click()
    await page.wait_for_url(f"http://acme.localhost/{region}/authorize?*")
    return json.loads((await sent.value).post_data or "")["variables"]["input"]


async def test_a_site_is_chosen(page: Page, gateway: Process) -> None:
    choice = page.get_by_label("Site of Acme")
    await expect(choice.locator("option")).to_have_text(["United States", "Europe"])
    await choice.select_option(label="Europe")
    redirect_uri = f"{gateway.origin}/connect"
    assert await asked(page, "Acme", "eu") == {"provider": "acme", "redirectUri": redirect_uri, "site": "eu"}


async def test_there_is_nothing_to_choose_of_one_site(page: Page) -> None:
    await expect(page.get_by_role("button", name="Connect One", exact=True)).to_be_visible()
    await expect(page.get_by_label("Site of One")).to_have_count(0)
    assert (await asked(page, "One", "eu"))["provider"] == "one"
