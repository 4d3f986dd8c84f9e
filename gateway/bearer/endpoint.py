"""Requests to the authorization server, with a deadline and a limit on the size of the JSON answer."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import cast

from wire import strict_json
from wire.http import client
from wire.http.client import Client, Request
from wire.http.errors import TransportFailure, UnreadableResponse
from wire.strict_json import MalformedJSON

DEADLINE = 3.0  # seconds for one whole call

# Maximum number of concurrent requests to the authorization server.
MAX_CONNECTIONS = 8


class NoAnswerError(Exception):
    """The endpoint gave no usable answer. `reason` is the HTTP status or the kind of failure; it contains nothing that
    was sent or received."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def open_client() -> Client:
    """A client for the authorization server only. It allows private addresses, since the operator sets its URL."""
    return client.open_client(allow_private=True, timeout=DEADLINE, max_connections=MAX_CONNECTIONS)


class Endpoint:
    """An endpoint that answers with a JSON object of at most `limit` bytes, within `seconds` in total."""

    def __init__(self, client: Client, *, limit: int, seconds: float) -> None:
        self._client = client
        self._limit = limit
        self._seconds = seconds

    async def ask(self, request: Request) -> dict[str, object]:
        """Return the JSON object of a 200 answer to `request`. Raises NoAnswerError for any other outcome.

        A duplicate or unreadable member has the value `Malformed`; code that uses such a member must reject it.
        """
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            response = await self._client.send(request, deadline=deadline, max_body=self._limit)
        except (TransportFailure, UnreadableResponse) as failure:
            raise NoAnswerError(failure.reason) from None
        if response.status != HTTPStatus.OK:
            raise NoAnswerError(f"status {response.status}")
        try:
            value = strict_json.read_answer(response.content)
        except MalformedJSON as malformed:
            raise NoAnswerError(f"the body {malformed}") from None
        if not isinstance(value, dict):
            raise NoAnswerError("not an object")
        return cast("dict[str, object]", value)
