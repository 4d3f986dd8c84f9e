"""The consent page of the sandbox in a real browser, for a provider that reads its parameters there."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.conftest import REDIRECT_URI, credentials, start_sandbox
from tests.contract.places import VENDORS
from tests.processes import Process
from tests.sandbox_control import Sandbox


@pytest.fixture
def provider_process(tmp_path: Path) -> Generator[Process]:
    process = start_sandbox(tmp_path, credentials(VENDORS) | {"TENDON_CATALOGUE": str(VENDORS)})
    yield process
    process.kill()


async def test_parameters_after_the_hash(
    browser: Browser, client: httpx.AsyncClient, provider_process: Process
) -> None:
    sandbox, page = Sandbox(client, provider_process.origin), await browser.new_page()
    request = {"response_type": "code", "client_id": "client-bare_scale", "redirect_uri": REDIRECT_URI, "state": "s"}
    query = httpx.QueryParams({"theme": "dark", **request})
    await page.goto(f"{sandbox.origin}/bare_scale/authorize?lang=en#/connect?{query}")
    await expect(page.get_by_role("heading")).to_have_text("Allow access to your Bare Scale account?")
    await page.close()
    _, shown = await sandbox.calls("bare_scale", "authorize")
    assert (shown["outcome"], shown["query"]) == ("shown", {"lang": "en", "theme": "dark", **request})
