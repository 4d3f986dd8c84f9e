"""What is sent to a provider: the code, the client's credentials in each form, and the request for the account."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

import pytest

from providers.after_exchange import find_granted, make_usable
from providers.catalogue import Credentials
from providers.entry.provider import Provider
from providers.errors import (
    ErrorAnswer,
    RequestFailed,
    TimedOut,
    UnreadableResponse,
)
from providers.oauth_client import exchange_code, find_account, refresh_tokens
from providers.revocation import RevocationOutcome, Tokens, revoke
from tests.processes import free_port
from tests.providers.entries import CREDENTIALS, provider
from tests.providers.exchanging import exchange
from tests.wire.http.event_loops import let_pass, on_a_leaping_clock
from tests.wire.http.fetching import TOKENS, private_client, soon
from tests.wire.http.loopback import Asked, answering, loopback
from wire.http.client import Client, open_client
from wire.waiting import SECOND_LOOK

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


async def test_parameters_of_the_entry_and_the_verifier_are_optional(client: Client) -> None:
    async with loopback(answering(TOKENS)) as server:
        await exchange_code(
            client,
            provider(origin=server.origin, token="auth = 'client_secret_post'"),
            CREDENTIALS,
            code="a b&c=/+é",
            redirect_uri="https://us.example/é?a=b&c",
            code_verifier=None,
            now=datetime.now(UTC),
            deadline=soon(),
        )
    (asked,) = server.asked
    assert list(asked.form.items()) == [
        ("grant_type", ["authorization_code"]),
        ("code", ["a b&c=/+é"]),
        ("redirect_uri", ["https://us.example/é?a=b&c"]),
        ("client_id", ["client"]),
        ("client_secret", ["secret"]),
    ]


WITH_HEADERS = """
headers = { Accept = "application/vnd.acme+json", Api-Key = "{client_id}/1", X-Subscription = "{subscription_key}" }
"""
SUBSCRIBED = Credentials("client", "secret", {"subscription_key": "{client_id}"})


async def test_header_fields_of_the_entry_are_sent_with_an_exchange_and_a_refresh(client: Client) -> None:
    """What a secret contains is no placeholder."""
    async with loopback(answering(TOKENS)) as server:
        secrets = "[registration]\nsecrets = ['subscription_key']"
        entry = provider(origin=server.origin, token=WITH_HEADERS, tables=secrets)
        await exchange(client, entry, SUBSCRIBED)
        await refresh_tokens(client, entry, SUBSCRIBED, "token", now=datetime.now(UTC), deadline=soon())
    assert len(server.asked) == 2
    for asked in server.asked:
        assert asked.headers["accept"] == "application/vnd.acme+json"
        assert asked.headers["api-key"] == "client/1"
        assert asked.headers["x-subscription"] == "{client_id}"
        assert asked.headers["authorization"].startswith("Basic ")


async def test_a_lifetime_counts_from_before_the_request(client: Client) -> None:
    """So a token never lives longer than is assumed, however long the answer takes."""
    arrived: list[datetime] = []

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        arrived.append(datetime.now(UTC))
        await answering(TOKENS)(asked, writer)

    async with loopback(respond) as server:
        answer = await exchange(client, provider(origin=server.origin))
    assert answer.expires_at is not None
    assert answer.expires_at < arrived[0] + timedelta(seconds=60)


@on_a_leaping_clock
async def test_an_answer_says_when_the_code_was_sent() -> None:
    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(7)
        await answering(TOKENS)(asked, writer)

    async with loopback(respond) as server, private_client() as client:
        began = soon(0)
        answer = await exchange(client, provider(origin=server.origin))
        assert (answer.sent_at, soon(0)) == (began, pytest.approx(began + 7))


@pytest.mark.parametrize("latest", [150, 90])
@on_a_leaping_clock
async def test_an_exchange_goes_on_after_a_standstill_up_to_the_latest_time(latest: float) -> None:
    async def respond(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
        let_pass(100)
        await asyncio.Event().wait()

    async with loopback(respond) as server, private_client() as client:
        began = soon(0)
        with pytest.raises(TimedOut) as raised:
            await exchange_code(
                client,
                provider(origin=server.origin),
                CREDENTIALS,
                code="code",
                redirect_uri="https://us.example",
                code_verifier=None,
                now=datetime.now(UTC),
                deadline=soon(80),
                latest=soon(latest),
            )
        # As late as it was, but no later than that; the sockets are polled once more in any case.
        assert soon(0) - began == pytest.approx(120 if latest == 150 else 100 + SECOND_LOOK)
    assert raised.value.stood_still


class Restarting:
    """Refuses connections at first, and answers after a tenth of a second."""

    def __init__(self, answer: bytes) -> None:
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.asked: list[Asked] = []
        self._answer = answer

    async def run(self) -> None:
        await asyncio.sleep(0.1)
        async with loopback(answering(self._answer), port=self.port) as server:
            self.asked = server.asked
            await asyncio.sleep(60)


@on_a_leaping_clock
async def test_all_requests_survive_a_restart_of_the_server() -> None:
    """A connection that was refused is tried again."""
    restarting = Restarting(b'{"access_token": "abc", "user": {"id": 7}, "scopes": ["a"]}')
    origin = restarting.origin
    revoking = f"[revoke]\nurl = '{origin}/revoke'\ntoken = 'access_token'"
    granting = f"[granted]\nurl = '{origin}/granted'\nfield = 'scopes'\n"
    registering = provider(tables=f"{granting}[after_exchange]\nurl = '{origin}/users'\nadapter = 'polar'")
    async with private_client() as client:
        running = asyncio.create_task(restarting.run())
        requests = (
            exchange(client, provider(origin=origin)),
            find_account(client, with_account(origin), CREDENTIALS, "abc", soon()),
            revoke(client, provider(origin=origin, tables=revoking), CREDENTIALS, Tokens("abc", None), deadline=soon()),
            find_granted(client, registering, "abc", soon()),
            make_usable(client, registering, "abc", "user", deadline=soon(), latest=soon()),
        )
        answer, account, revoked, granted, _ = await asyncio.gather(*requests)
        assert (answer.access_token, account, revoked) == ("abc", "7", RevocationOutcome.CONFIRMED)
        assert granted == ("a",)
        assert len(restarting.asked) == 5
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_tokens_are_not_shown() -> None:
    assert repr(Tokens("CANARY", "CANARY")) == "Tokens()"


# Who the user is


def with_account(origin: str) -> Provider:
    return provider(origin=origin, tables=f"[account]\nurl = '{origin}/me'\nfield = 'user.id'")


async def test_the_account_is_requested_with_the_token(client: Client) -> None:
    async with loopback(answering(b'{"user": {"id": 7}}')) as server:
        assert await find_account(client, with_account(server.origin), CREDENTIALS, "abc", soon()) == "7"
    (asked,) = server.asked
    assert asked.line == "GET /me HTTP/1.1"
    assert asked.headers["authorization"] == "Bearer abc"


async def test_the_account_is_requested_as_the_entry_says(client: Client) -> None:
    async with loopback(answering(b'{"id": "x"}')) as server:
        posted = f"[account]\nurl = '{server.origin}/verify?v=2'\nfield = 'id'\nmethod = 'POST'\n"
        for more in ("", "form = { fields = 'id, name', lang = 'é' }\nheaders = { Api-Key = '{client_id}' }"):
            entry = provider(origin=server.origin, tables=posted + more)
            assert await find_account(client, entry, CREDENTIALS, "abc", soon()) == "x"
    bare, with_form = server.asked
    assert bare.line == with_form.line == "POST /verify?v=2 HTTP/1.1"
    assert bare.headers["authorization"] == with_form.headers["authorization"] == "Bearer abc"
    assert (bare.headers["content-length"], bare.body) == ("0", b"")
    assert "content-type" not in bare.headers
    assert with_form.form == {"fields": ["id, name"], "lang": ["é"]}
    assert with_form.headers["api-key"] == "client"


async def test_without_an_account_table_no_request_is_sent(client: Client) -> None:
    assert await find_account(client, provider(), CREDENTIALS, "abc", soon()) is None


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        ("200 OK", b"{}", UnreadableResponse),
        ("200 OK", b'{"user": {"id": 7, "id": 7}}', UnreadableResponse),
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
            await find_account(client, with_account(server.origin), CREDENTIALS, "abc", soon())
    assert f"HTTP status {status[:3]}" in str(raised.value)
    assert "CANARY" not in str(raised.value)
