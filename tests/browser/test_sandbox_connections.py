"""The sandbox's own page in a real browser: how a user removes the access of an app, at the provider."""

from __future__ import annotations

import httpx
from playwright.async_api import expect

from tests.browser.visit import Visit
from tests.conftest import Person
from tests.interfaces import Rest
from tests.processes import Process
from tests.sandbox_control import Sandbox


async def test_the_keyboard_is_enough_to_remove_access(
    visit: Visit, gateway: Process, client: httpx.AsyncClient, sandbox: Sandbox, someone: Person
) -> None:
    page, api, back = visit.page, Rest(client, gateway.origin), f"{gateway.origin}/connect"
    asked = await api.authorize(someone.token, provider="sandbox", redirectUri=back)
    await sandbox.approve(asked.data["url"], account=someone.id)
    await page.goto(f"{sandbox.origin}/connections")
    button = page.get_by_role("button", name=f"Remove access of tendon to {someone.id}")
    await visit.tab_to(button)
    await expect(button).to_have_css("outline-style", "solid")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text(f"tendon no longer has access to the account {someone.id}.")).to_be_focused()
    assert [family["ended"] for family in await sandbox.families(someone.id)] == ["user"]
