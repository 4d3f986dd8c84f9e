"""How the authorization server is asked: one deadline, a cap on the answer, strict JSON, no redirects."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import cast

import anyio
import httpx

from wire import strict_json

DEADLINE = 3.0  # seconds for one whole call

# What a slow endpoint is asked at once, here and not by the pool: httpcore loses a connection for good when a request
# is cancelled while it waits for one, so the pool always has one to spare.
AT_ONCE = 8
_LIMITS = httpx.Limits(max_connections=2 * AT_ONCE, max_keepalive_connections=AT_ONCE)


class NoAnswerError(Exception):
    """No usable answer came. `reason` is the HTTP status or the kind of failure: nothing that was sent or received."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def open_client() -> httpx.AsyncClient:
    """A client for the authorization server alone: no environment, redirects, cookies or compression."""
    return httpx.AsyncClient(
        trust_env=False,
        follow_redirects=False,
        limits=_LIMITS,
        timeout=DEADLINE,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        # A compressed body could grow past any cap within one chunk, so none is asked for and none is unpacked.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )


class Endpoint:
    """An endpoint that answers with a JSON object of at most `limit` bytes, within `seconds` all in all."""

    def __init__(self, client: httpx.AsyncClient, *, limit: int, seconds: float) -> None:
        self._client = client
        self._limit = limit
        self._seconds = seconds
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def ask(self, request: httpx.Request) -> dict[str, object]:
        """The object that answers `request` with 200. NoAnswerError for whatever else happens."""
        try:
            # Not asyncio.timeout: httpcore closes connections under an anyio shield, which that would break through.
            with anyio.fail_after(self._seconds):
                async with self._turn:
                    value = strict_json.read(await self._body(request))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError, ValueError) as failure:
            # OSError holds TimeoutError, ValueError MalformedJSON and what httpx trips over in a Location that nobody
            # follows; RuntimeError is how httpx refuses when the client is closed.
            raise NoAnswerError(type(failure).__name__) from None
        if not isinstance(value, dict):
            raise NoAnswerError("not an object")
        return cast("dict[str, object]", value)

    async def _body(self, request: httpx.Request) -> bytes:
        response = await self._client.send(request, stream=True)
        try:
            if response.status_code != HTTPStatus.OK:
                raise NoAnswerError(f"status {response.status_code}")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._limit:
                    raise NoAnswerError("too large")
            return bytes(body)
        finally:
            await response.aclose()
