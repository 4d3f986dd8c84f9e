"""What applies to every request: its deadline, its connections, and the addresses that it may go to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from providers.errors import (
    ErrorAnswer,
    ForbiddenAddress,
    TransportFailure,
    Unreachable,
)
from tests.processes import free_port
from tests.providers.entries import provider
from tests.providers.exchanging import exchange
from tests.wire.http.fetching import TOKENS, failed, fetch
from tests.wire.http.loopback import Asked, Respond, answering, loopback
from wire.http.client import Client, open_client
from wire.http.connections import MAX_CONNECTIONS


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


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
async def test_the_deadline_applies_to_the_whole_request(client: Client, respond: Respond) -> None:
    started = asyncio.get_running_loop().time()
    async with loopback(respond) as server:
        failure = await failed(client, server.origin, seconds=0.2)
    assert failure.sent
    assert asyncio.get_running_loop().time() - started < 1.2


async def test_a_hanging_handshake_times_out_with_nothing_sent(client: Client) -> None:
    async with loopback(answering(b"")) as server:
        # The server waits for a request line and never speaks TLS.
        failure = await failed(client, server.origin.replace("http:", "https:"), seconds=0.2)
    assert not failure.sent
    assert server.asked == []


async def test_a_deadline_in_the_past_sends_nothing(client: Client) -> None:
    async with loopback(answering(TOKENS)) as server:
        failure = await failed(client, server.origin, seconds=-1)
    assert not failure.sent
    assert server.asked == []


# Connections


async def test_a_refused_connection_has_sent_nothing(client: Client) -> None:
    with pytest.raises(Unreachable) as raised:
        await exchange(client, provider(origin=f"http://127.0.0.1:{free_port()}"))
    assert not raised.value.sent


async def test_a_refused_connection_is_tried_again(client: Client) -> None:
    port = free_port()
    exchanging = asyncio.create_task(exchange(client, provider(origin=f"http://127.0.0.1:{port}")))
    await asyncio.sleep(0.05)
    async with loopback(answering(TOKENS), port=port) as server:
        assert (await exchanging).access_token == "abc"
    assert len(server.asked) == 1


async def test_a_refused_connection_is_not_tried_again_after_the_deadline(client: Client) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(Unreachable):
        await exchange(client, provider(origin=f"http://127.0.0.1:{free_port()}"), seconds=0.1)
    assert asyncio.get_running_loop().time() - started < 0.2


async def test_a_dropped_connection_is_never_tried_again(client: Client) -> None:
    async def hang_up(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with loopback(hang_up) as server:
        with pytest.raises(TransportFailure) as raised:
            await exchange(client, provider(origin=server.origin))
        assert raised.value.sent
        assert len(server.asked) == server.connections == 1


async def test_connections_are_reused(client: Client) -> None:
    async with loopback(answering(TOKENS)) as server:
        for _ in range(3):
            await exchange(client, provider(origin=server.origin))
    assert (len(server.asked), server.connections) == (3, 1)


async def test_the_number_of_connections_is_limited(client: Client) -> None:
    async def take_time(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        await answering(TOKENS)(asked, writer)

    async with loopback(take_time) as server:
        entry = provider(origin=server.origin)
        await asyncio.gather(*(exchange(client, entry) for _ in range(MAX_CONNECTIONS + 10)))
    assert server.connections == MAX_CONNECTIONS


async def test_a_failed_request_frees_its_slot(client: Client) -> None:
    async def drop_many(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if len(server.asked) > MAX_CONNECTIONS:
            await answering(TOKENS)(asked, writer)
        else:
            writer.close()

    async with loopback(drop_many) as server:
        for _ in range(MAX_CONNECTIONS):
            assert (await failed(client, server.origin)).sent
        assert (await fetch(client, server.origin)).content == TOKENS


async def test_a_closed_idle_connection_is_not_reused(client: Client) -> None:
    async def answer_and_close(asked: Asked, writer: asyncio.StreamWriter) -> None:
        # It doesn't say `Connection: close`, so the client keeps the connection.
        await answering(TOKENS)(asked, writer)
        writer.close()

    async with loopback(answer_and_close) as server:
        for _ in range(3):
            await exchange(client, provider(origin=server.origin))
            await server.settled()
    assert (len(server.asked), server.connections) == (3, 3)


async def test_cookies_are_not_kept(client: Client) -> None:
    async with loopback(answering(TOKENS, headers=("Set-Cookie: session=CANARY; Path=/",))) as server:
        for _ in range(2):
            await exchange(client, provider(origin=server.origin))
    assert [asked.headers.get("cookie") for asked in server.asked] == [None, None]


async def test_nothing_from_the_answer_gets_into_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
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


async def test_plain_http_is_refused_outside_dev() -> None:
    async with loopback(answering(TOKENS)) as server, open_client(allow_private=False, timeout=5) as client:
        with pytest.raises(ForbiddenAddress):
            await exchange(client, provider(origin=server.origin))
    assert server.connections == 0


async def test_bytes_after_an_answer_never_belong_to_the_next(client: Client) -> None:
    """Otherwise one user would get another's tokens."""

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        def whole(body: str) -> bytes:
            return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

        writer.write(whole(asked.line.split()[1]) + whole("left over"))

    async with loopback(respond) as server:
        for user in ("/a", "/b", "/c"):
            assert (await fetch(client, server.origin + user)).content == user.encode()
        assert server.connections == 3
