"""The connect page in a real browser: from a provider's button to its consent page and back."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.visit import Visit
from tests.conftest import Person
from tests.interfaces import Rest
from tests.processes import Process
from tests.sandbox_control import Sandbox


@pytest.fixture
def url(gateway: Process) -> str:
    return f"{gateway.origin}/connect"


@pytest.fixture
def rest(client: httpx.AsyncClient, gateway: Process) -> Rest:
    return Rest(client, gateway.origin)


def outcome(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def connect_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Connect Sandbox", exact=True)


async def ask_for_consent(page: Page, url: str, person: Person) -> None:
    """Go from the connect page to the consent page."""
    await page.goto(url)
    await page.get_by_label("Bearer token").fill(person.token)
    await connect_button(page).click()
    await expect(page.get_by_role("heading", name="Allow access to your Sandbox account?")).to_be_visible()


async def decide(page: Page, decision: str) -> None:
    await page.get_by_role("button", name=decision, exact=True).click()


async def shown_fields(page: Page) -> dict[str, str | None]:
    """The connection as the page shows it, with times in their machine-readable form."""
    shown: dict[str, str | None] = {}
    for field in await outcome(page, "Connected").locator("[data-field]").all():
        moment = field.locator("time")
        text = await (moment.get_attribute("datetime") if await moment.count() else field.inner_text())
        shown[await field.get_attribute("data-field") or ""] = None if text == "never" else text
    return shown


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_approving_connects(visit: Visit, rest: Rest, sandbox: Sandbox, someone: Person, host: str) -> None:
    page, url = visit.page, f"{rest.origin}/connect".replace("127.0.0.1", host)
    await ask_for_consent(page, url, someone)
    await decide(page, "Approve")
    await expect(outcome(page, "Connected")).to_be_visible()
    assert page.url == url
    stored = (await rest.connections(someone.token, userId=someone.id)).data["connections"]
    assert [await shown_fields(page)] == stored
    sent = {"provider": "sandbox", "redirectUri": url, **visit.callback}
    assert visit.asked("completeConnection") == [{"input": sent}]
    assert len(await sandbox.exchanges(visit.callback["code"])) == 1


async def test_a_reload_sends_nothing_again(visit: Visit, url: str, someone: Person) -> None:
    page = visit.page
    await ask_for_consent(page, url, someone)
    await decide(page, "Approve")
    connection = await outcome(page, "Connected").locator("[data-field=id]").inner_text()
    await page.reload()
    row = page.get_by_role("region", name="Your connections").locator(f'[data-connection="{connection}"]')
    await expect(row).to_contain_text("connected")
    await expect(outcome(page, "Connected")).to_be_hidden()
    assert len(visit.asked("completeConnection")) == 1


async def test_denying_shows_an_error(visit: Visit, url: str, someone: Person) -> None:
    page = visit.page
    await ask_for_consent(page, url, someone)
    await decide(page, "Deny")
    refusal = outcome(page, "Not connected")
    await expect(refusal).to_contain_text("Access was not granted at the provider.")
    await expect(refusal.get_by_text("ACCESS_DENIED", exact=True)).to_be_visible()
    await expect(refusal.get_by_role("button")).to_have_count(0)
    assert page.url == url
    assert [variables["input"]["error"] for variables in visit.asked("completeConnection")] == ["access_denied"]


async def test_a_redirect_with_the_state_alone_is_passed_on(visit: Visit, url: str, someone: Person) -> None:
    """Some providers say so that access was refused. Whether this one does, the service knows."""
    page = visit.page
    await ask_for_consent(page, url, someone)
    (state,) = parse_qs(urlsplit(page.url).query)["state"]
    await page.goto(f"{url}?state={state}")
    await expect(outcome(page, "Not connected").get_by_role("button")).to_have_count(0)
    assert page.url == url
    sent = {"provider": "sandbox", "redirectUri": url, "code": "", "state": state}
    assert visit.asked("completeConnection") == [{"input": sent}]


async def test_an_unknown_state_sends_nothing_and_changes_nothing(visit: Visit, url: str, someone: Person) -> None:
    page = visit.page
    await ask_for_consent(page, url, someone)
    consent = page.url
    await page.goto(f"{url}?code=forged&state=forged")
    await expect(outcome(page, "Not started in this tab")).to_contain_text("Nothing was sent.")
    assert page.url == url
    assert visit.asked("completeConnection") == []
    await page.goto(consent)
    await decide(page, "Approve")
    await expect(outcome(page, "Connected")).to_be_visible()


async def test_a_lost_response_can_be_retried(visit: Visit, url: str, sandbox: Sandbox, someone: Person) -> None:
    page = visit.page

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await ask_for_consent(page, url, someone)
    await page.route("**/graphql", lose, times=1)
    await decide(page, "Approve")
    await outcome(page, "Not connected").get_by_role("button", name="Try again").click()
    await expect(outcome(page, "Connected")).to_be_visible()
    assert len(visit.asked("completeConnection")) == 2
    assert len(await sandbox.exchanges(visit.callback["code"])) == 1
    assert [text.rpartition(" ")[2] for text in visit.messages] == ["net::ERR_FAILED"]
    visit.messages.clear()


PROVIDERS = "{ providers { slug name available availability { reason } logo scopeDetails { description requested } } }"


SAID = {"no_credentials": "No credentials configured", "no_sites": "No site offered"}
"""What the page says of a provider that is not available, by the API's reasons."""


async def test_only_a_provider_that_is_configured_can_be_chosen(
    visit: Visit, gateway: Process, url: str, client: httpx.AsyncClient
) -> None:
    """The others are folded away."""
    await visit.page.goto(url)
    providers = visit.page.get_by_role("region", name="Providers")
    await expect(connect_button(visit.page)).to_be_visible()
    answer = await client.post(f"{gateway.origin}/graphql", json={"query": PROVIDERS})
    found = answer.json()["data"]["providers"]
    reasons = {provider["slug"]: provider["availability"]["reason"] for provider in found}
    others = sum(reason is not None for reason in reasons.values())
    assert 0 < others < len(reasons)
    await expect(providers.get_by_text("No credentials configured").first).to_be_hidden()
    await providers.get_by_text(f"Not available here: {others}").click()
    for slug, reason in reasons.items():
        row = providers.locator(f'[data-provider="{slug}"]')
        await expect(row).to_be_visible()
        await expect(row.get_by_role("button")).to_have_count(int(reason is None))
        for named, text in SAID.items():
            await expect(row.get_by_text(text)).to_have_count(int(reason == named))


async def test_the_logo_and_the_scopes_of_a_provider(
    visit: Visit, gateway: Process, url: str, client: httpx.AsyncClient
) -> None:
    await visit.page.goto(url)
    answer = await client.post(f"{gateway.origin}/graphql", json={"query": PROVIDERS})
    (sandbox,) = [provider for provider in answer.json()["data"]["providers"] if provider["slug"] == "sandbox"]
    row = visit.page.locator('[data-provider="sandbox"]')
    logo = row.locator("img")
    await expect(logo).to_have_attribute("src", sandbox["logo"])
    # The page's policy allows it, and the browser can draw it.
    assert await logo.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    sentences = [each["description"] for each in sandbox["scopeDetails"] if each["description"] and each["requested"]]
    await expect(row.get_by_text("What it asks for")).to_have_count(int(bool(sentences)))
    await expect(row.locator("details li")).to_have_text(sentences)


async def test_the_keyboard_is_enough(visit: Visit, url: str, someone: Person) -> None:
    page, keyboard = visit.page, visit.page.keyboard
    await page.goto(url)
    await expect(connect_button(page)).to_be_visible()
    await visit.tab_to(page.get_by_label("Bearer token"))
    await keyboard.type(someone.token)
    await visit.tab_to(connect_button(page))
    await expect(connect_button(page)).to_have_css("outline-style", "solid")
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Allow access to your Sandbox account?")).to_be_visible()
    await visit.tab_to(page.get_by_role("button", name="Approve"))
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Connected", exact=True)).to_be_focused()
    await expect(outcome(page, "Connected").locator("[data-field=userId]")).to_have_text(someone.id)


async def test_what_happens_is_announced(visit: Visit, url: str, someone: Person) -> None:
    """In a live region that exists before its text, or screen readers might not announce it."""
    page, answered = visit.page, asyncio.Event()

    async def wait(route: Route) -> None:
        await answered.wait()
        await route.continue_()

    await page.goto(url)
    await page.get_by_label("Bearer token").fill(someone.token)
    status = page.get_by_role("status")
    await expect(status).to_be_empty()
    await page.route("**/graphql", wait)
    await connect_button(page).click()
    await expect(status).to_have_text("Starting the connection to Sandbox …")
    await connect_button(page).click()
    answered.set()
    await expect(page.get_by_role("heading", name="Allow access to your Sandbox account?")).to_be_visible()
    assert len(visit.asked("authorizeConnection")) == 1


async def test_a_connection_is_disconnected(visit: Visit, url: str, rest: Rest, someone: Person) -> None:
    page = visit.page
    await ask_for_consent(page, url, someone)
    await decide(page, "Approve")
    connection = await outcome(page, "Connected").locator("[data-field=id]").inner_text()
    row = page.get_by_role("region", name="Your connections").locator(f'[data-connection="{connection}"]')
    button = row.get_by_role("button", name="Disconnect sandbox", exact=True)
    page.once("dialog", lambda dialog: dialog.dismiss())
    await button.click()
    assert visit.asked("disconnectConnection") == []
    page.once("dialog", lambda dialog: dialog.accept())
    await button.click()
    await expect(page.get_by_role("heading", name="Disconnected", exact=True)).to_be_focused()
    await expect(row).to_contain_text("Ended by you.")
    await expect(row.get_by_role("button")).to_have_count(0)
    assert visit.asked("disconnectConnection") == [{"input": {"connectionId": connection, "userId": someone.id}}]
    (stored,) = (await rest.connections(someone.token, userId=someone.id)).data["connections"]
    assert stored["status"] == "disconnected"


async def test_a_connection_that_is_lost_says_so(
    visit: Visit, url: str, rest: Rest, sandbox: Sandbox, someone: Person
) -> None:
    page = visit.page
    await sandbox.settings("sandbox", account=someone.id, access_life=0)
    begun = (await rest.authorize(someone.token, provider="sandbox", redirectUri=url)).data
    back = await sandbox.approve(begun["url"], account=someone.id)
    sent = {name: back[name] for name in ("code", "state", "iss")}
    completed = await rest.complete(someone.token, provider="sandbox", redirectUri=url, **sent)
    connection = completed.connection["id"]
    await sandbox.end(someone.id)
    assert (await rest.issue("dev-service:sync", connection)).code == "REAUTHORIZATION_REQUIRED"
    await page.goto(url)
    await page.get_by_label("Bearer token").fill(someone.token)
    await page.get_by_role("button", name="Use token").click()
    row = page.get_by_role("region", name="Your connections").locator(f'[data-connection="{connection}"]')
    await expect(row).to_contain_text("The access has ended. Connect again.")


async def test_a_missing_token_is_announced(visit: Visit, url: str) -> None:
    page = visit.page
    await page.goto(url)
    await page.get_by_label("Bearer token").fill(" ")
    await connect_button(page).click()
    await expect(page.get_by_role("alert")).to_have_text("Enter a bearer token first.")
    await expect(page.get_by_label("Bearer token")).to_be_focused()
    assert visit.asked("authorizeConnection") == []


async def test_the_token_stays_in_its_tab(visit: Visit, url: str, someone: Person) -> None:
    await ask_for_consent(visit.page, url, someone)
    await decide(visit.page, "Approve")
    await expect(outcome(visit.page, "Connected")).to_be_visible()
    assert await visit.page.context.storage_state() == {"cookies": [], "origins": []}
    other = await visit.page.context.new_page()
    await other.goto(url)
    await expect(other.get_by_label("Bearer token")).to_have_value("dev:alice")


async def test_a_code_that_was_requested_elsewhere_can_be_copied(
    visit: Visit, url: str, rest: Rest, someone: Person
) -> None:
    """Users who started with GraphiQL or curl are redirected here, too."""
    begun = (await rest.authorize(someone.token, provider="sandbox", redirectUri=url)).data
    await visit.page.goto(begun["url"])
    await decide(visit.page, "Approve")
    variables = outcome(visit.page, "Not started in this tab").locator("pre")
    await expect(variables).to_contain_text(begun["state"])
    assert visit.asked("completeConnection") == []
