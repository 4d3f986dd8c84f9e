"""GraphiQL in a real browser: the steps of a connection, ready to run, from our own origin."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.visit import Visit
from tests.conftest import Person
from tests.processes import Process

STEPS = ["Authorize", "Complete", "Connections", "Token", "Disconnect"]
_REMEMBERED = """async ([key, text]) => {
  const there = () => localStorage.getItem(`tendon:graphiql:${key}`) ?? "";
  while (!there().includes(text)) await new Promise((resolve) => setTimeout(resolve, 20));
}"""


@pytest.fixture
async def page(visit: Visit, gateway: Process) -> Page:
    """GraphiQL, with its schema loaded."""
    async with visit.page.expect_response(lambda response: response.request.method == "POST") as schema:
        await visit.page.goto(f"{gateway.origin}/graphql")
    assert (await schema.value).ok
    return visit.page


def editor(page: Page, name: str) -> Locator:
    """The visible editor: variables and headers are in the same region, and one of them is hidden."""
    return page.get_by_role("region", name=name, exact=True).locator(".CodeMirror:visible")


async def open_tab(page: Page, name: str) -> None:
    tab = page.get_by_role("tab", name=name)
    await tab.get_by_role("button", name=name, exact=True).click()
    await expect(tab).to_have_attribute("aria-selected", "true")
    # GraphiQL first marks the tab, then shows its content, and then stores the operation to run.
    await expect(editor(page, "Query Editor")).to_contain_text(f" {name}")
    await page.evaluate(_REMEMBERED, ["operationName", name])


async def open_tool(page: Page, name: str) -> Locator:
    await page.get_by_role("button", name=name, exact=True).click()
    return editor(page, name)


async def enter(page: Page, name: str, text: str) -> None:
    """Replace the text in the editor."""
    await (await open_tool(page, name)).click()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.insert_text(text)


async def run(page: Page, field: str) -> Any:
    """Run the open tab. Returns the data of `field` once the result window shows it, of which only a part is drawn."""
    async with page.expect_response(lambda response: field in (response.request.post_data or "")) as response:
        await page.get_by_role("button", name="Execute query").click()
    await expect(editor(page, "Result Window")).to_contain_text(f'"{field}"')
    return (await (await response.value).json())["data"][field]


async def remembered(page: Page, text: str) -> str:
    """Everything that is stored, once it includes `text`. GraphiQL stores its tabs half a second after a change."""
    await page.evaluate(_REMEMBERED, ["tabState", text])
    return json.dumps(await page.context.storage_state())


async def test_a_new_visitor_gets_the_steps(page: Page, gateway: Process) -> None:
    query, variables = editor(page, "Query Editor"), editor(page, "Variables")
    await expect(page.get_by_role("tab")).to_contain_text(STEPS)
    await expect(page.get_by_role("tab", name="Authorize")).to_have_attribute("aria-selected", "true")
    await expect(query).to_contain_text("authorizeConnection(input: $input)")
    await expect(variables).to_contain_text('"provider": "sandbox"')
    await expect(variables).to_contain_text(f'"redirectUri": "{gateway.origin}/connect"')
    await open_tab(page, "Complete")
    await expect(query).to_contain_text("completeConnection(input: $input)")
    await expect(variables).to_contain_text('"code": "…"')
    await open_tab(page, "Connections")
    await expect(query).to_contain_text('connections(userId: "alice")')


async def test_the_dev_token_is_in_the_headers_of_every_tab(page: Page) -> None:
    for name in STEPS:
        await open_tab(page, name)
        await expect(await open_tool(page, "Headers")).to_contain_text('"Authorization": "Bearer dev:alice"')


async def test_the_steps_connect_and_disconnect(page: Page) -> None:
    begun = await run(page, "authorizeConnection")
    other = await page.context.new_page()
    await other.goto(begun["url"])
    await other.get_by_role("button", name="Approve").click()
    variables = await other.get_by_role("region", name="Not started in this tab").locator("pre").inner_text()
    assert json.loads(variables)["input"]["state"] == begun["state"]
    # Chromium gives hardly any CPU time to a background tab.
    await other.close()
    await open_tab(page, "Complete")
    await enter(page, "Variables", variables)
    completed = (await run(page, "completeConnection"))["connection"]
    assert (completed["userId"], completed["status"]) == ("alice", "connected")
    await open_tab(page, "Connections")
    (listed,) = [one for one in await run(page, "connections") if one["id"] == completed["id"]]
    assert completed.items() <= listed.items()
    assert (listed["statusReason"], listed["revocation"]) == (None, None)
    await open_tab(page, "Token")
    await enter(page, "Variables", json.dumps({"input": {"connectionId": completed["id"]}}))
    await enter(page, "Headers", json.dumps({"Authorization": "Bearer dev-service:sync"}))
    assert (await run(page, "issueAccessToken"))["tokenType"] == "Bearer"
    await open_tab(page, "Disconnect")
    await enter(page, "Variables", json.dumps({"input": {"connectionId": completed["id"], "userId": "alice"}}))
    ended = (await run(page, "disconnectConnection"))["connection"]
    assert (ended["status"], ended["statusReason"]) == ("disconnected", "by_user")
    assert ended["revocation"]["status"] in ("pending", "delivered")


async def test_its_dialogs_open_under_our_policy(page: Page) -> None:
    """They have their own style sheet; a violation of the policy would fail the visit."""
    for button, dialog in (("Open settings dialog", "Settings"), ("Open short keys dialog", "Short Keys")):
        await page.get_by_role("button", name=button).click()
        await expect(page.get_by_role("dialog").get_by_text(dialog, exact=True)).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await expect(page.get_by_text("Mutation", exact=True)).to_be_visible()


async def test_no_token_is_stored_after_the_visit(page: Page, visit: Visit, someone: Person) -> None:
    """Tabs and history are stored, without headers and responses."""
    await enter(page, "Headers", json.dumps({"Authorization": f"Bearer {someone.token}"}))
    begun = await run(page, "authorizeConnection")
    assert await visit.requests[-1].header_value("authorization") == f"Bearer {someone.token}"
    await enter(page, "Variables", '{"marker": 1}')
    storage = await remembered(page, "marker")
    assert "graphiql:queries" in storage
    for secret in (someone.id, "dev:alice", begun["state"]):
        assert secret not in storage


async def test_a_returning_visitor_keeps_their_tabs(page: Page) -> None:
    await open_tab(page, "Complete")
    await enter(page, "Variables", '{"kept": true}')
    await remembered(page, "kept")
    await page.reload()
    await expect(page.get_by_role("tab", name="Complete")).to_have_attribute("aria-selected", "true")
    await expect(page.get_by_role("tab")).to_contain_text(STEPS)
    await expect(editor(page, "Variables")).to_contain_text('{"kept": true}')
    await expect(await open_tool(page, "Headers")).to_contain_text("Bearer dev:alice")
