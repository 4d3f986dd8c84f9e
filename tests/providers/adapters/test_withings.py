"""How a revocation is signed for Withings, and what its answers mean."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncGenerator

import pytest

from providers.credentials import Credentials
from providers.entry.provider import Provider
from providers.errors import ErrorAnswer, Meaning, RequestFailed, TimedOut, UnreadableResponse
from providers.revocation import RevocationOutcome, Tokens, revoke
from tests.processes import free_port
from tests.providers.entries import provider
from tests.wire.http.event_loops import on_a_leaping_clock
from tests.wire.http.fetching import private_client, soon
from tests.wire.http.loopback import Asked, Respond, answering, loopback
from wire.http.client import Client, open_client
from wire.waiting import SECOND_LOOK

CREDENTIALS = Credentials("client,é", "CANARY-secret é")
TOKENS = Tokens("CANARY-access", "CANARY-refresh", "1234&5")
NONCE = b'{"status": 0, "body": {"nonce": "n,0 nce"}}'
ROWS = """
[[revoke.errors]]
field = "status"
equals = 601
meaning = "slow_down"
wait = "body.wait_seconds"
[[revoke.errors]]
field = "status"
equals = 2555
meaning = "passing"
[[revoke.errors]]
field = "error"
starts_with = "gone"
meaning = "grant_over"
"""


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


def entry(origin: str) -> Provider:
    return provider(tables=f"[revoke]\nurl = '{origin}/v2/oauth2'\nadapter = 'withings'\n{ROWS}", origin=origin)


def in_turn(*responds: Respond) -> Respond:
    left = list(responds)

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await left.pop(0)(asked, writer)

    return respond


def signature(*values: str) -> list[str]:
    return [hmac.new("CANARY-secret é".encode(), ",".join(values).encode(), hashlib.sha256).hexdigest()]


async def test_a_revocation_is_signed_over_a_new_nonce(client: Client) -> None:
    async with loopback(in_turn(answering(NONCE), answering(b'{"status": 0, "body": {}}'))) as server:
        found = await revoke(client, entry(server.origin), CREDENTIALS, TOKENS, deadline=soon())
    assert found is RevocationOutcome.CONFIRMED
    first, second = server.asked
    assert first.line == "POST /v2/signature HTTP/1.1"
    (timestamp,) = first.form["timestamp"]
    assert timestamp.isdecimal()
    assert first.form == {
        "action": ["getnonce"],
        "client_id": ["client,é"],
        "timestamp": [timestamp],
        "signature": signature("getnonce", "client,é", timestamp),
    }
    assert second.line == "POST /v2/oauth2 HTTP/1.1"
    assert second.form == {
        "action": ["revoke"],
        "client_id": ["client,é"],
        "nonce": ["n,0 nce"],
        "signature": signature("revoke", "client,é", "n,0 nce"),
        "userid": ["1234&5"],
    }
    for asked in server.asked:
        assert b"CANARY" not in asked.body
        assert "authorization" not in asked.headers


async def test_without_an_account_no_request_is_sent(client: Client) -> None:
    async with loopback(answering(NONCE)) as server:
        found = await revoke(client, entry(server.origin), CREDENTIALS, Tokens("a", "b"), deadline=soon())
    assert found is RevocationOutcome.IMPOSSIBLE
    assert server.connections == 0


async def test_an_answer_may_mean_that_nothing_is_left(client: Client) -> None:
    async with loopback(in_turn(answering(NONCE), answering(b'{"status": 503, "error": "gone, CANARY"}'))) as server:
        found = await revoke(client, entry(server.origin), CREDENTIALS, TOKENS, deadline=soon())
    assert found is RevocationOutcome.CONFIRMED


FAULTS = [
    (b'{"status": 601, "body": {"wait_seconds": 7}}', Meaning.SLOW_DOWN),
    (b'{"status": 2555, "body": {}}', Meaning.TEMPORARY),
    (b'{"status": 503, "body": {}, "error": "CANARY"}', Meaning.UNCLEAR),
    (b'{"status": "0"}', Meaning.UNCLEAR),
    (b'{"status": false}', Meaning.UNCLEAR),
    (b"{}", Meaning.UNCLEAR),
    (b"", Meaning.UNCLEAR),
    (b"CANARY", Meaning.UNCLEAR),
]


@pytest.mark.parametrize("before", [[], [answering(NONCE)]], ids=["nonce", "revocation"])
@pytest.mark.parametrize(("body", "meaning"), FAULTS)
async def test_any_other_status_is_an_error(
    client: Client, before: list[Respond], body: bytes, meaning: Meaning
) -> None:
    async with loopback(in_turn(*before, answering(body))) as server:
        with pytest.raises(ErrorAnswer) as raised:
            await revoke(client, entry(server.origin), CREDENTIALS, TOKENS, deadline=soon())
    assert raised.value.meaning is meaning
    assert raised.value.retry_after == (7 if meaning is Meaning.SLOW_DOWN else None)
    assert len(server.asked) == 1 + len(before)
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"status": 0}',
        b'{"status": 0, "body": []}',
        b'{"status": 0, "body": {"nonce": ""}}',
        b'{"status": 0, "body": {"nonce": 7}}',
        b'{"status": 0, "body": {"nonce": "a", "nonce": "CANARY"}}',
        b'{"status": 0, "body": {"nonce": "CANARY\\ud800"}}',
        b'{"status": 0, "body": {"nonce": "CANARY\xff"}}',
        b'{"status": 0, "body": {"nonce": "CANARY\\n"}}',
        b'{"status": 0, "body": {"nonce": "CANARY' + b"x" * 1024 + b'"}}',
        b'{"status": 503, "error": "gone"}',
    ],
)
async def test_without_a_nonce_nothing_is_revoked(client: Client, body: bytes) -> None:
    async with loopback(answering(body)) as server:
        with pytest.raises(UnreadableResponse, match="no nonce") as raised:
            await revoke(client, entry(server.origin), CREDENTIALS, TOKENS, deadline=soon())
    assert len(server.asked) == 1
    assert "CANARY" not in str(raised.value)


async def test_http_errors_are_faults(client: Client) -> None:
    async with loopback(in_turn(answering(NONCE), answering(b"", status="503 Busy"))) as server:
        with pytest.raises(RequestFailed, match="503"):
            await revoke(client, entry(server.origin), CREDENTIALS, TOKENS, deadline=soon())


@on_a_leaping_clock
async def test_both_requests_have_one_deadline() -> None:
    async def late(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(4)
        await answering(NONCE)(asked, writer)

    async with loopback(late) as server, private_client() as client:
        began = soon(0)
        with pytest.raises(TimedOut):
            await revoke(client, entry(server.origin), CREDENTIALS, TOKENS, deadline=soon(6))
        assert soon(0) - began == pytest.approx(6 + SECOND_LOOK)
    assert len(server.asked) == 2


@on_a_leaping_clock
async def test_a_refused_connection_is_tried_again() -> None:
    port = free_port()
    async with private_client() as client:
        revoking = asyncio.create_task(
            revoke(client, entry(f"http://127.0.0.1:{port}"), CREDENTIALS, TOKENS, deadline=soon())
        )
        await asyncio.sleep(0.1)
        async with loopback(answering(NONCE), port=port) as server:
            assert await revoking is RevocationOutcome.CONFIRMED
    assert len(server.asked) == 2


async def test_a_client_without_a_secret_signs_with_an_empty_one(client: Client) -> None:
    async with loopback(answering(NONCE)) as server:
        await revoke(client, entry(server.origin), Credentials("client", None), TOKENS, deadline=soon())
    expected = hmac.new(b"", b"revoke,client,n,0 nce", hashlib.sha256).hexdigest()
    assert server.asked[1].form["signature"] == [expected]
