"""What a browser did and said while somebody looked at the pages."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, Request, WebError

# The browser tells the page; the page tells the console, where all complaints meet.
_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
  console.error(`Content-Security-Policy: ${effectiveDirective} ${blockedURI}`));
"""
# More than any of the pages has to stop at.
_STOPS = 40


class Visit:
    """One visitor with storage of their own. Everything counts, also what other tabs and the consent page do."""

    def __init__(self, page: Page, origins: Collection[str]) -> None:
        self.page = page
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        self._origins = origins

    @classmethod
    async def begin(cls, context: BrowserContext, origins: Collection[str]) -> Visit:
        await context.add_init_script(_TELL_VIOLATIONS)
        visit = cls(await context.new_page(), origins)
        context.on("request", visit._follow)
        context.on("console", visit._hear)
        context.on("weberror", visit._see)
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
    def strangers(self) -> list[str]:
        """The requests that went anywhere but to us. What stands in the page itself (`data:`) went nowhere."""
        urls = [request.url for request in self.requests if not request.url.startswith("data:")]
        return [url for url in urls if "{0.scheme}://{0.netloc}".format(urlsplit(url)) not in self._origins]

    async def tab_to(self, place: Locator) -> None:
        """Reach it as somebody without a mouse does."""
        for _ in range(_STOPS):
            await self.page.keyboard.press("Tab")
            if await place.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"The Tab key does not lead to {place}")

    def _follow(self, request: Request) -> None:
        self.requests.append(request)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _see(self, fault: WebError) -> None:
        self.complaints.append(str(fault.error))


def _is_graphql(request: Request) -> bool:
    return request.method == "POST" and urlsplit(request.url).path == "/graphql"


def _parameters(query: str) -> dict[str, str]:
    return dict(parse_qsl(query))
