"""The granted scopes that a provider says only when it is asked, and what an adapter does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.after_exchange import find_granted, make_usable
from providers.entry.provider import Provider
from providers.errors import ErrorAnswer, RequestFailed, UnreadableResponse
from tests.providers.entries import provider
from tests.wire.http.fetching import soon
from tests.wire.http.loopback import answering, loopback
from wire.http.client import Client


def granting(origin: str, token: str = "") -> Provider:
    return provider(
        origin=origin, token=token, tables=f"[granted]\nurl = '{origin}/permissions'\nfield = 'user.0.scopes'"
    )


async def granted(ours: Client, scopes: Any, token: str = "") -> tuple[str, ...] | None:
    body = json.dumps({"user": [{"scopes": scopes}]}).encode()
    async with loopback(answering(body)) as server:
        return await find_granted(ours, granting(server.origin, token=token), "abc", soon())


async def test_the_granted_scopes_are_requested_with_the_token(ours: Client) -> None:
    async with loopback(answering(b'{"user": [{"scopes": ["b", "a", "b"]}], "other": NaN}')) as server:
        assert await find_granted(ours, granting(server.origin), "abc", soon()) == ("b", "a")
    (asked,) = server.asked
    assert asked.line == "GET /permissions HTTP/1.1"
    assert asked.headers["authorization"] == "Bearer abc"


async def test_there_may_be_no_granted_scopes_at_all(ours: Client) -> None:
    assert await granted(ours, []) == ()


async def test_the_prefix_of_scopes_is_dropped(ours: Client) -> None:
    assert await granted(ours, ["x:a", "b"], token="scope_prefix = 'x:'") == ("a", "b")


@pytest.mark.parametrize(
    "scopes", [None, "a b", 7, {}, {"0": "a"}, ["a", 7], [None], ["a b"], [""], ["\x00"], ["x" * 257], ["x" * 200] * 50]
)
async def test_anything_but_a_list_of_scopes_is_unreadable(ours: Client, scopes: Any) -> None:
    if scopes == ["x" * 200] * 50:
        scopes = [f"{number}{scope}" for number, scope in enumerate(scopes)]
    with pytest.raises(UnreadableResponse) as raised:
        await granted(ours, scopes)
    assert "xxx" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        ("200 OK", b"{}", UnreadableResponse),
        ("200 OK", b"CANARY", UnreadableResponse),
        ("200 OK", b'{"user": "CANARY"}', UnreadableResponse),
        ("302 Found", b'{"user": [{"scopes": []}]}', UnreadableResponse),
        ("403 Forbidden", b"CANARY", ErrorAnswer),
        ("503 Unavailable", b"", ErrorAnswer),
    ],
)
async def test_an_answer_without_scopes(ours: Client, status: str, body: bytes, fault: type[RequestFailed]) -> None:
    async with loopback(answering(body, status=status)) as server:
        with pytest.raises(fault) as raised:
            await find_granted(ours, granting(server.origin), "abc", soon())
    assert "CANARY" not in str(raised.value)


async def test_without_the_tables_no_request_is_sent(ours: Client) -> None:
    assert await find_granted(ours, provider(), "abc", soon()) is None
    await make_usable(ours, provider(), "abc", "user", deadline=soon(), latest=soon())


async def test_the_adapter_of_the_entry_is_called(ours: Client) -> None:
    async with loopback(answering(b"{}")) as server:
        table = f"[after_exchange]\nadapter = 'polar'\nurl = '{server.origin}/users'"
        await make_usable(ours, provider(tables=table), "abc", "a-user", deadline=soon(), latest=soon())
    (asked,) = server.asked
    assert (asked.line, asked.body) == ("POST /users HTTP/1.1", b'{"member-id": "a-user"}')
