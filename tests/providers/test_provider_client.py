"""The client against a server on loopback that behaves well, badly or not at all."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import socket
import tracemalloc
import zlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

import httpx
import pytest
from provider_entries import CREDENTIALS, provider
from provider_loopback import Asked, Respond, answering, loopback

from providers.catalogue import Credentials
from providers.errors import (
    ErrorAnswer,
    ForbiddenAddress,
    ProviderFault,
    TransportFailure,
    Unreachable,
    UnreadableAnswer,
)
from providers.exchange import exchange_code, find_account
from providers.http import CAP, Answer, open_client, send
from providers.provider import Provider
from providers.token_answer import TokenAnswer
from providers.transport import MAX_CONNECTIONS

TOKENS = json.dumps({"access_token": "abc", "refresh_token": "def", "expires_in": 60}).encode()
AWKWARD = Credentials("id:%+ é", "s:%+ é")


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


def soon(seconds: float = 5) -> float:
    return asyncio.get_running_loop().time() + seconds


async def exchange(
    client: httpx.AsyncClient, entry: Provider, credentials: Credentials = CREDENTIALS, *, seconds: float = 5
) -> TokenAnswer:
    return await exchange_code(
        client,
        entry,
        credentials,
        code="CANARY-code",
        redirect_uri="https://us.example/done?a=b",
        code_verifier="CANARY-verifier",
        deadline=soon(seconds),
    )


async def fetch(client: httpx.AsyncClient, url: str, *, seconds: float = 5) -> Answer:
    return await send(client, client.build_request("GET", url), deadline=soon(seconds))


async def failed(client: httpx.AsyncClient, url: str, *, seconds: float = 5) -> TransportFailure:
    with pytest.raises(TransportFailure) as raised:
        await fetch(client, url, seconds=seconds)
    return raised.value


# What is sent


async def test_the_code_goes_out_and_tokens_come_back(client: httpx.AsyncClient) -> None:
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


async def test_client_secret_basic_encodes_both_parts_first(client: httpx.AsyncClient) -> None:
    async with loopback(answering(TOKENS)) as server:
        await exchange(client, provider(origin=server.origin, token="auth = 'client_secret_basic'"), AWKWARD)
    (asked,) = server.asked
    scheme, _, pair = asked.headers["authorization"].partition(" ")
    client_id, _, client_secret = base64.b64decode(pair).decode("ascii").partition(":")
    assert scheme == "Basic"
    assert Credentials(unquote_plus(client_id), unquote_plus(client_secret)) == AWKWARD
    assert "client_secret" not in asked.form


async def test_client_secret_post(client: httpx.AsyncClient) -> None:
    async with loopback(answering(TOKENS)) as server:
        await exchange(client, provider(origin=server.origin, token="auth = 'client_secret_post'"), AWKWARD)
    (asked,) = server.asked
    assert "authorization" not in asked.headers
    assert asked.form["client_id"] == [AWKWARD.client_id]
    assert asked.form["client_secret"] == [AWKWARD.client_secret]


async def test_a_public_client_only_says_its_name(client: httpx.AsyncClient) -> None:
    async with loopback(answering(TOKENS)) as server:
        await exchange(client, provider(origin=server.origin, token="auth = 'none'"), Credentials("id", None))
    (asked,) = server.asked
    assert "authorization" not in asked.headers
    assert asked.form["client_id"] == ["id"]
    assert "client_secret" not in asked.form


# Who the user is


def with_account(origin: str) -> Provider:
    return provider(origin=origin, tables=f"[account]\nurl = '{origin}/me'\nfield = 'user.id'")


async def test_the_account_is_asked_for_with_the_token(client: httpx.AsyncClient) -> None:
    async with loopback(answering(b'{"user": {"id": 7}}')) as server:
        assert await find_account(client, with_account(server.origin), "abc", soon()) == "7"
    (asked,) = server.asked
    assert asked.line == "GET /me HTTP/1.1"
    assert asked.headers["authorization"] == "Bearer abc"


async def test_without_a_table_nobody_is_asked(client: httpx.AsyncClient) -> None:
    assert await find_account(client, provider(), "abc", soon()) is None


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        ("200 OK", b"{}", UnreadableAnswer),
        ("200 OK", b'{"user": {"id": null}}', UnreadableAnswer),
        ("200 OK", b'{"user": "CANARY"}', UnreadableAnswer),
        ("200 OK", b"CANARY", UnreadableAnswer),
        ("302 Found", b'{"user": {"id": 7}}', UnreadableAnswer),
        ("401 Unauthorized", b"CANARY", ErrorAnswer),
        ("503 Unavailable", b"", ErrorAnswer),
    ],
)
async def test_an_account_that_is_not_told(
    client: httpx.AsyncClient, status: str, body: bytes, fault: type[ProviderFault]
) -> None:
    async with loopback(answering(body, status=status)) as server:
        with pytest.raises(fault) as raised:
            await find_account(client, with_account(server.origin), "abc", soon())
    assert "CANARY" not in str(raised.value)


# Time


async def drip(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def silence(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("respond", [drip, silence])
async def test_the_deadline_holds_for_the_whole(client: httpx.AsyncClient, respond: Respond) -> None:
    started = asyncio.get_running_loop().time()
    async with loopback(respond) as server:
        failure = await failed(client, server.origin, seconds=0.2)
    assert failure.sent
    assert asyncio.get_running_loop().time() - started < 1.2


async def test_a_handshake_without_end_has_sent_nothing(client: httpx.AsyncClient) -> None:
    async with loopback(answering(b"")) as server:
        # It waits for the end of a request line, and never speaks TLS.
        failure = await failed(client, server.origin.replace("http:", "https:"), seconds=0.2)
    assert not failure.sent
    assert server.asked == []


async def test_a_deadline_in_the_past_sends_nothing(client: httpx.AsyncClient) -> None:
    async with loopback(answering(TOKENS)) as server:
        failure = await failed(client, server.origin, seconds=-1)
    assert not failure.sent
    assert server.asked == []


# Size and form of what comes back


async def refused(client: httpx.AsyncClient, respond: Respond) -> UnreadableAnswer:
    async with loopback(respond) as server:
        with pytest.raises(UnreadableAnswer) as raised:
            await fetch(client, server.origin)
    return raised.value


async def test_a_body_up_to_the_cap_is_read(client: httpx.AsyncClient) -> None:
    body = b"x" * CAP
    async with loopback(answering(body, headers=("Content-Type: text/plain",))) as server:
        answer = await fetch(client, server.origin)
    assert (answer.status, answer.content) == (200, body)
    assert "xxx" not in repr(answer)


async def test_a_body_beyond_the_cap_is_not(client: httpx.AsyncClient) -> None:
    assert "too large" in str(await refused(client, answering(b"x" * (CAP + 1))))


async def test_a_body_without_end(client: httpx.AsyncClient) -> None:
    async def endless(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()

    assert "too large" in str(await refused(client, endless))


async def test_a_bomb_goes_off_nowhere(client: httpx.AsyncClient) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < CAP
    respond = answering(bomb, headers=("Content-Encoding: gzip",))
    tracemalloc.start()
    try:
        assert "too large" in str(await refused(client, respond))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TOKENS)),
        ("X-GZIP", gzip.compress(TOKENS)),
        ("deflate", zlib.compress(TOKENS)),
        ("identity", TOKENS),
        ("gzip", gzip.compress(b"x" * CAP)),
    ],
)
async def test_compression_is_read_though_nobody_asked(client: httpx.AsyncClient, encoding: str, body: bytes) -> None:
    async with loopback(answering(body, headers=(f"Content-Encoding: {encoding}",))) as server:
        answer = await fetch(client, server.origin)
    assert answer.content in (TOKENS, b"x" * CAP)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", TOKENS),
        ("gzip, gzip", gzip.compress(gzip.compress(TOKENS))),
        ("gzip", TOKENS),
        ("gzip", gzip.compress(TOKENS)[:-1]),
        ("gzip", gzip.compress(TOKENS) + b"more"),
        ("deflate", b""),
        ("gzip", gzip.compress(b"x" * (CAP + 1))),
    ],
)
async def test_compression_that_is_not_as_it_says(client: httpx.AsyncClient, encoding: str, body: bytes) -> None:
    assert (await refused(client, answering(body, headers=(f"Content-Encoding: {encoding}",)))).status == 200


@pytest.mark.parametrize(
    "location", ["/elsewhere", "https://elsewhere.example", "http://[", "//xn--%25eth0", "https://x%zz]", "\x80", ""]
)
async def test_a_redirect_is_not_followed(client: httpx.AsyncClient, location: str) -> None:
    respond = answering(TOKENS, status="307 Temporary Redirect", headers=(f"Location: {location}",))
    async with loopback(respond) as server:
        with pytest.raises(UnreadableAnswer) as raised:
            await exchange(client, provider(origin=server.origin))
    assert raised.value.status == 307
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 50_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nCANARY\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: CANARY\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nCANARY",
        b"CANARY",
        b"",
    ],
)
async def test_what_is_not_http_is_a_safe_fault(client: httpx.AsyncClient, answer: bytes) -> None:
    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with loopback(respond) as server:
        failure = await failed(client, server.origin)
    assert failure.sent
    assert len(server.asked) == 1
    assert "CANARY" not in str(failure)


# Connections


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_refused_connection_has_sent_nothing(client: httpx.AsyncClient) -> None:
    with pytest.raises(Unreachable) as raised:
        await exchange(client, provider(origin=f"http://127.0.0.1:{free_port()}"))
    assert not raised.value.sent


async def test_a_refused_connection_is_tried_again(client: httpx.AsyncClient) -> None:
    port = free_port()
    exchanging = asyncio.create_task(exchange(client, provider(origin=f"http://127.0.0.1:{port}")))
    await asyncio.sleep(0.05)
    async with loopback(answering(TOKENS), port=port) as server:
        assert (await exchanging).access_token == "abc"
    assert len(server.asked) == 1


async def test_it_is_not_tried_again_beyond_the_deadline(client: httpx.AsyncClient) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(Unreachable):
        await exchange(client, provider(origin=f"http://127.0.0.1:{free_port()}"), seconds=0.1)
    assert asyncio.get_running_loop().time() - started < 0.15


async def test_a_dropped_connection_is_never_tried_again(client: httpx.AsyncClient) -> None:
    async def hang_up(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with loopback(hang_up) as server:
        with pytest.raises(TransportFailure) as raised:
            await exchange(client, provider(origin=server.origin))
        assert raised.value.sent
        assert len(server.asked) == server.connections == 1


async def test_connections_are_kept(client: httpx.AsyncClient) -> None:
    async with loopback(answering(TOKENS)) as server:
        for _ in range(3):
            await exchange(client, provider(origin=server.origin))
    assert (len(server.asked), server.connections) == (3, 1)


async def test_no_more_connections_than_there_may_be(client: httpx.AsyncClient) -> None:
    async def take_time(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        await answering(TOKENS)(asked, writer)

    async with loopback(take_time) as server:
        entry = provider(origin=server.origin)
        await asyncio.gather(*(exchange(client, entry) for _ in range(MAX_CONNECTIONS + 10)))
    assert server.connections == MAX_CONNECTIONS


async def test_a_failure_gives_its_place_to_the_next(client: httpx.AsyncClient) -> None:
    async def drop_many(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if len(server.asked) > MAX_CONNECTIONS:
            await answering(TOKENS)(asked, writer)
        else:
            writer.close()

    async with loopback(drop_many) as server:
        for _ in range(MAX_CONNECTIONS):
            assert (await failed(client, server.origin)).sent
        assert (await fetch(client, server.origin)).content == TOKENS


async def test_an_idle_connection_that_was_closed_is_not_used(client: httpx.AsyncClient) -> None:
    async def answer_and_close(asked: Asked, writer: asyncio.StreamWriter) -> None:
        # It doesn't say `Connection: close`, so the client keeps the connection.
        await answering(TOKENS)(asked, writer)
        writer.close()

    async with loopback(answer_and_close) as server:
        for _ in range(3):
            await exchange(client, provider(origin=server.origin))
            await server.settled()
    assert (len(server.asked), server.connections) == (3, 3)


async def test_cookies_are_not_kept(client: httpx.AsyncClient) -> None:
    async with loopback(answering(TOKENS, headers=("Set-Cookie: session=CANARY; Path=/",))) as server:
        for _ in range(2):
            await exchange(client, provider(origin=server.origin))
    assert [asked.headers.get("cookie") for asked in server.asked] == [None, None]


async def test_nothing_that_is_echoed_gets_into_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    respond = answering(b"CANARY", status="400 CANARY", headers=("X: CANARY", "Content-Type: CANARY"))
    async with loopback(respond) as server:
        with pytest.raises(ErrorAnswer):
            await exchange(client, provider(origin=server.origin))
    assert "CANARY" not in caplog.text


# SSRF


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_a_private_address_is_never_connected_to(host: str) -> None:
    async with loopback(answering(TOKENS)) as server, open_client(allow_private=False, timeout=5) as client:
        failure = await failed(client, f"https://{host}:{server.port}/")
    assert isinstance(failure, ForbiddenAddress)
    assert not failure.sent
    assert server.connections == 0


async def test_plain_http_is_never_spoken_outside() -> None:
    async with loopback(answering(TOKENS)) as server, open_client(allow_private=False, timeout=5) as client:
        with pytest.raises(ForbiddenAddress):
            await exchange(client, provider(origin=server.origin))
    assert server.connections == 0


async def test_what_follows_an_answer_is_not_the_next_ones(client: httpx.AsyncClient) -> None:
    """Otherwise one user's tokens would pass for another's."""

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        def whole(body: str) -> bytes:
            return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

        writer.write(whole(asked.line.split()[1]) + whole("left over"))

    async with loopback(respond) as server:
        for user in ("/a", "/b", "/c"):
            assert (await fetch(client, server.origin + user)).content == user.encode()
        assert server.connections == 3
