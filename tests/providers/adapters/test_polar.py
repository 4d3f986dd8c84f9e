"""Registering a user with Polar."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.after_exchange import make_usable
from providers.errors import ErrorAnswer, Meaning, RequestFailed, TransportFailure, UnreadableResponse
from tests.processes import free_port
from tests.providers.entries import provider
from tests.wire.http.fetching import soon
from tests.wire.http.loopback import Asked, answering, loopback
from wire.http.client import Client


async def register(client: Client, origin: str, user: str = "a-user") -> None:
    table = f"[after_exchange]\nadapter = 'polar'\nurl = '{origin}/v3/users'"
    await make_usable(client, provider(tables=table), "abc", user, deadline=soon(), latest=soon())


async def answered(client: Client, status: str, body: bytes = b"", *headers: str) -> Asked:
    """The request, if the answer is one of success."""
    async with loopback(answering(body, status=status, headers=headers)) as server:
        await register(client, server.origin)
    (asked,) = server.asked
    return asked


async def fault(client: Client, status: str, *headers: str) -> RequestFailed:
    with pytest.raises(RequestFailed) as raised:
        await answered(client, status, b"CANARY", *headers)
    assert "CANARY" not in str(raised.value)
    return raised.value


async def test_the_request(ours: Client) -> None:
    asked = await answered(ours, "200 OK", b'{"polar-user-id": 7}')
    assert asked.line == "POST /v3/users HTTP/1.1"
    assert json.loads(asked.body) == {"member-id": "a-user"}
    expected = {"authorization": "Bearer abc", "content-type": "application/json", "accept": "application/json"}
    assert {name: asked.headers[name] for name in expected} == expected


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "409 Conflict"])
@pytest.mark.parametrize("body", [b"", b"CANARY", b'{"error": "invalid_client"}'])
async def test_a_user_who_is_registered_now_or_was_before(ours: Client, status: str, body: bytes) -> None:
    await answered(ours, status, body)


async def test_a_user_whom_polar_does_not_know(ours: Client) -> None:
    async with loopback(_without_content) as server:
        with pytest.raises(UnreadableResponse, match="knows no such user"):
            await register(ours, server.origin)


async def _without_content(_asked: Asked, writer: Any) -> None:
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("403 Forbidden", Meaning.ACCESS_DENIED),
        ("400 Bad Request", Meaning.UNCLEAR),
        ("401 Unauthorized", Meaning.MISCONFIGURED),
        ("404 Not Found", Meaning.MISCONFIGURED),
        ("429 Too Many Requests", Meaning.SLOW_DOWN),
        ("503 Unavailable", Meaning.TEMPORARY),
    ],
)
async def test_errors(ours: Client, status: str, meaning: Meaning) -> None:
    found = await fault(ours, status)
    assert isinstance(found, ErrorAnswer)
    assert (found.meaning, found.retry_after) == (meaning, None)


async def test_the_time_to_wait(ours: Client) -> None:
    found = await fault(ours, "429 Too Many Requests", "Retry-After: 90")
    assert isinstance(found, ErrorAnswer)
    assert found.retry_after == 90


async def test_any_other_success_and_a_redirect_are_failures(ours: Client) -> None:
    for status in ("202 Accepted", "302 Found"):
        assert isinstance(await fault(ours, status), UnreadableResponse)


async def test_a_provider_that_can_not_be_reached(ours: Client) -> None:
    with pytest.raises(TransportFailure):
        await register(ours, f"http://127.0.0.1:{free_port()}")
