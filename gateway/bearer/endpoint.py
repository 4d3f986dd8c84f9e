"""Requests to the authorization server: one deadline, a limit on the answer's size, JSON, no redirects."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import cast

import httpx

from wire import strict_json
from wire.deadline import Timeout
from wire.http.connector import trusted
from wire.http.request import FIELDS
from wire.http.resolution import as_written
from wire.http.transport import ProviderTransport

DEADLINE = 3.0  # seconds for one whole call

# Requests that a slow endpoint gets at the same time.
AT_ONCE = 8


class NoAnswerError(Exception):
    """There is no usable answer. `reason` is the HTTP status or the kind of failure, and contains nothing that was sent
    or received."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def open_client() -> httpx.AsyncClient:
    """A client for the authorization server alone. It uses the transport for providers, which limits what an answer may
    be, but accepts any address, since the operator chose it. It ignores the environment's proxies, redirects and
    cookies."""
    return httpx.AsyncClient(
        transport=ProviderTransport(as_written, trusted(), https_only=False, patience=DEADLINE / 3),
        headers=FIELDS,
        trust_env=False,
        follow_redirects=False,
        timeout=DEADLINE,
    )


class Endpoint:
    """An endpoint that answers with a JSON object of at most `limit` bytes, within `seconds` in total."""

    def __init__(self, client: httpx.AsyncClient, *, limit: int, seconds: float) -> None:
        self._client = client
        self._limit = limit
        self._seconds = seconds
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def ask(self, request: httpx.Request) -> dict[str, object]:
        """Return the JSON object of a 200 answer to `request`. Raises NoAnswerError for any other outcome.

        A duplicate or unreadable member is `Malformed`; code that uses it has to refuse it.
        """
        try:
            async with Timeout(asyncio.get_running_loop().time() + self._seconds), self._turn:
                value = strict_json.read_answer(await self._body(request))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError, ValueError) as failure:
            # OSError includes TimeoutError. ValueError includes MalformedJSON, and what httpx raises for a malformed
            # Location, though it follows none. RuntimeError is what httpx raises when the client is closed.
            raise NoAnswerError(type(failure).__name__) from None
        if not isinstance(value, dict):
            raise NoAnswerError("not an object")
        return cast("dict[str, object]", value)

    async def _body(self, request: httpx.Request) -> bytes:
        response = await self._client.send(request)
        if response.status_code != HTTPStatus.OK:
            raise NoAnswerError(f"status {response.status_code}")
        if len(response.content) > self._limit:
            raise NoAnswerError("too large")
        return response.content
