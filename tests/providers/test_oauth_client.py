"""What is sent to a provider: the code, the client's credentials in each form, and the request for the account."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

import pytest

from providers.catalogue import Credentials
from providers.errors import (
    ErrorAnswer,
    RequestFailed,
    UnreadableResponse,
)
from providers.oauth_client import find_account
from providers.provider import Provider
from tests.providers.entries import provider
from tests.providers.exchanging import exchange
from tests.wire.http.fetching import TOKENS, soon
from tests.wire.http.loopback import answering, loopback
from wire.http.client import Client, open_client

AWKWARD = Credentials("id:%+ é", "s:%+ é")


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


# What is sent


async def test_a_code_is_exchanged_for_tokens(client: Client) -> None:
    async with loopback(answering(TOKENS)) as server:
        entry = provider(origin=server.origin, token="params = {action = 'requesttoken'}")
        before = datetime.now(UTC)
        answer = await exchange(client, entry)
    assert (answer.access_token, answer.refresh_token) == ("abc", "def")
    assert answer.expires_at is not None
    assert timedelta(seconds=59) < answer.expires_at - before < timedelta(seconds=61)
    (asked,) = server.asked
    assert asked.line == "POST /token HTTP/1.1"
    assert asked.form == {
        "grant_type": ["authorization_code"],
        "code": ["CANARY-code"],
        "redirect_uri": ["https://us.example/done?a=b"],
        "code_verifier": ["CANARY-verifier"],
        "action": ["requesttoken"],
    }
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["user-agent"] == "Tendon"


async def test_client_secret_basic_form_encodes_both_parts(client: Client) -> None:
    async with loopback(answering(TOKENS)) as server:
        await exchange(client, provider(origin=server.origin, token="auth = 'client_secret_basic'"), AWKWARD)
    (asked,) = server.asked
    scheme, _, pair = asked.headers["authorization"].partition(" ")
    client_id, _, client_secret = base64.b64decode(pair).decode("ascii").partition(":")
    assert scheme == "Basic"
    assert Credentials(unquote_plus(client_id), unquote_plus(client_secret)) == AWKWARD
    assert "client_secret" not in asked.form


async def test_client_secret_post(client: Client) -> None:
    async with loopback(answering(TOKENS)) as server:
        await exchange(client, provider(origin=server.origin, token="auth = 'client_secret_post'"), AWKWARD)
    (asked,) = server.asked
    assert "authorization" not in asked.headers
    assert asked.form["client_id"] == [AWKWARD.client_id]
    assert asked.form["client_secret"] == [AWKWARD.client_secret]


async def test_a_public_client_sends_its_client_id_only(client: Client) -> None:
    async with loopback(answering(TOKENS)) as server:
        await exchange(client, provider(origin=server.origin, token="auth = 'none'"), Credentials("id", None))
    (asked,) = server.asked
    assert "authorization" not in asked.headers
    assert asked.form["client_id"] == ["id"]
    assert "client_secret" not in asked.form


# Who the user is


def with_account(origin: str) -> Provider:
    return provider(origin=origin, tables=f"[account]\nurl = '{origin}/me'\nfield = 'user.id'")


async def test_the_account_is_requested_with_the_token(client: Client) -> None:
    async with loopback(answering(b'{"user": {"id": 7}}')) as server:
        assert await find_account(client, with_account(server.origin), "abc", soon()) == "7"
    (asked,) = server.asked
    assert asked.line == "GET /me HTTP/1.1"
    assert asked.headers["authorization"] == "Bearer abc"


async def test_without_an_account_table_no_request_is_sent(client: Client) -> None:
    assert await find_account(client, provider(), "abc", soon()) is None


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        ("200 OK", b"{}", UnreadableResponse),
        ("200 OK", b'{"user": {"id": null}}', UnreadableResponse),
        ("200 OK", b'{"user": "CANARY"}', UnreadableResponse),
        ("200 OK", b"CANARY", UnreadableResponse),
        ("302 Found", b'{"user": {"id": 7}}', UnreadableResponse),
        ("401 Unauthorized", b"CANARY", ErrorAnswer),
        ("503 Unavailable", b"", ErrorAnswer),
    ],
)
async def test_an_answer_without_an_account_id(
    client: Client, status: str, body: bytes, fault: type[RequestFailed]
) -> None:
    async with loopback(answering(body, status=status)) as server:
        with pytest.raises(fault) as raised:
            await find_account(client, with_account(server.origin), "abc", soon())
    assert "CANARY" not in str(raised.value)
