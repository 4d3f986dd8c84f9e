"""A real browser and a gateway as `make run` starts it: in dev mode, with the sandbox included."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator, Generator

import httpx
import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.visit import Visit
from tests.conftest import start_gateway
from tests.processes import Process
from tests.sandbox_control import Sandbox

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox, because containers run as root. The other options prevent requests to the browser's vendor.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Milliseconds. Nothing takes this long unless the machine is busy.
_PATIENCE = 40_000


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser: the environment variable CHROMIUM, or the first one on the PATH."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("No Chromium: `apt-get install chromium`, or set CHROMIUM to the path of one. The pages are not tested.")
    return found


@pytest.fixture(scope="session")
async def browser(chromium: str) -> AsyncGenerator[Browser]:
    expect.set_options(timeout=_PATIENCE)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield running
        await running.close()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Process]:
    process = start_gateway(tmp_path_factory.mktemp("laptop"), {"TENDON_AUTH": "dev"})
    yield process
    process.kill()


@pytest.fixture(scope="session")
def sandbox(client: httpx.AsyncClient, gateway: Process) -> Sandbox:
    """The one that the gateway includes."""
    return Sandbox(client, f"{gateway.origin}/sandbox")


@pytest.fixture
async def visit(browser: Browser, gateway: Process) -> AsyncGenerator[Visit]:
    """A visit that must end without a warning or error, and without a request to another origin."""
    context = await browser.new_context()
    context.set_default_timeout(_PATIENCE)
    visit = await Visit.begin(context, {gateway.origin, f"http://localhost:{gateway.port}"})
    yield visit
    await context.close()
    assert visit.messages == []
    assert visit.foreign_requests == []
