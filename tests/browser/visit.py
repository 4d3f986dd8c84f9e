"""What a browser requested and reported during a visit."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, Request, WebError

# The browser reports violations to the page. The page writes them to the console, where all messages are collected.
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
  console.error(`Content-Security-Policy: ${effectiveDirective} ${blockedURI}`));
"""
# More than any of the pages has elements that can be focused.
_MAX_TABS = 40


class Visit:
    """One visitor with their own storage. Requests and messages of other tabs and of the consent page count, too."""

    def __init__(self, page: Page, origins: Collection[str]) -> None:
        self.page = page
        self.requests: list[Request] = []
        self.messages: list[str] = []
        self._origins = origins

    @classmethod
    async def begin(cls, context: BrowserContext, origins: Collection[str]) -> Visit:
        await context.add_init_script(_REPORT_VIOLATIONS)
        visit = cls(await context.new_page(), origins)
        context.on("request", visit._note_request)
        context.on("console", visit._note_message)
        context.on("weberror", visit._note_error)
        return visit

    def asked(self, field: str) -> list[dict[str, Any]]:
        """The variables of each GraphQL request that asked for `field`."""
        bodies = [json.loads(request.post_data or "{}") for request in self.requests if _is_graphql(request)]
        return [body["variables"] for body in bodies if field in body["query"]]

    @property
    def callback(self) -> dict[str, str]:
        """The parameters with which the provider sent the browser back, the last time."""
        queries = [urlsplit(request.url).query for request in self.requests if request.is_navigation_request()]
        return next(found for found in map(_parameters, reversed(queries)) if "code" in found or "error" in found)

    @property
    def foreign_requests(self) -> list[str]:
        """The requests to other origins. `data:` URLs are part of the page and cause no request."""
        urls = [request.url for request in self.requests if not request.url.startswith("data:")]
        return [url for url in urls if "{0.scheme}://{0.netloc}".format(urlsplit(url)) not in self._origins]

    async def tab_to(self, target: Locator) -> None:
        """Focus it with the Tab key."""
        for _ in range(_MAX_TABS):
            await self.page.keyboard.press("Tab")
            if await target.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"The Tab key does not lead to {target}")

    def _note_request(self, request: Request) -> None:
        self.requests.append(request)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.messages.append(message.text)

    def _note_error(self, fault: WebError) -> None:
        self.messages.append(str(fault.error))


def _is_graphql(request: Request) -> bool:
    return request.method == "POST" and urlsplit(request.url).path == "/graphql"


def _parameters(query: str) -> dict[str, str]:
    return dict(parse_qsl(query))
