"""What applies to every request: its deadline, its connections, and the addresses that it may go to."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator

import pytest

from providers.errors import (
    ErrorAnswer,
    ForbiddenAddress,
    TimedOut,
    TransportFailure,
    Unreachable,
)
from tests.processes import free_port
from tests.providers.entries import provider
from tests.providers.exchanging import exchange
from tests.wire.http.event_loops import on_a_leaping_clock
from tests.wire.http.fetching import TOKENS, failed, fetch, private_client, soon
from tests.wire.http.loopback import Asked, Respond, answering, loopback
from wire.http.addresses import unscreened
from wire.http.client import Client, open_client
from wire.http.connections import MAX_CONNECTIONS
from wire.waiting import SECOND_LOOK


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
        await asyncio.sleep(1)


async def silence(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("respond", [drip, silence])
@on_a_leaping_clock
async def test_the_deadline_bounds_the_whole_request(respond: Respond) -> None:
    async with loopback(respond) as server, private_client() as client:
        began = soon(0)
        failure = await failed(client, server.origin, seconds=3)
        assert soon(0) - began == pytest.approx(3 + SECOND_LOOK)
    assert isinstance(failure, TimedOut)
    assert failure.sent


@pytest.mark.parametrize(("whole", "seconds"), [(60, 3), (6, 2)], ids=["the request's", "a third for each address"])
@on_a_leaping_clock
async def test_a_hanging_handshake_times_out_with_nothing_sent(whole: float, seconds: float) -> None:
    async with loopback(answering(b"")) as server, open_client(allow_private=True, timeout=whole) as client:
        began = soon(0)
        # The server waits for a request line and never speaks TLS.
        failure = await failed(client, server.origin.replace("http:", "https:"), seconds=3)
        assert soon(0) - began == pytest.approx(seconds + SECOND_LOOK)
    assert isinstance(failure, TimedOut)
    assert not failure.sent
    assert server.asked == []


@pytest.mark.parametrize("seconds", [0, -1])
@on_a_leaping_clock
async def test_a_deadline_that_is_over_sends_nothing(seconds: float) -> None:
    async with loopback(answering(TOKENS)) as server, private_client() as client:
        failure = await failed(client, server.origin, seconds=seconds)
    assert isinstance(failure, TimedOut)
    assert not failure.sent
    assert server.connections == 0


# Connections


async def test_a_refused_connection_has_sent_nothing(client: Client) -> None:
    with pytest.raises(Unreachable) as raised:
        await exchange(client, provider(origin=f"http://127.0.0.1:{free_port()}"))
    assert not raised.value.sent


@on_a_leaping_clock
async def test_a_refused_connection_is_tried_again() -> None:
    port = free_port()
    async with private_client() as client:
        began = soon(0)
        exchanging = asyncio.create_task(exchange(client, provider(origin=f"http://127.0.0.1:{port}")))
        await asyncio.sleep(0.1)
        async with loopback(answering(TOKENS), port=port) as server:
            assert (await exchanging).access_token == "abc"
        assert soon(0) - began == pytest.approx(0.2)
    assert len(server.asked) == 1


@pytest.mark.parametrize(("seconds", "took"), [(0.1, 0), (0.2, 0), (0.3, 0.2)])
@on_a_leaping_clock
async def test_a_refused_connection_is_tried_once_more_but_not_after_the_deadline(seconds: float, took: float) -> None:
    async with private_client() as client:
        began = soon(0)
        with pytest.raises(Unreachable):
            await exchange(client, provider(origin=f"http://127.0.0.1:{free_port()}"), seconds=seconds)
        assert soon(0) - began == pytest.approx(took)


@on_a_leaping_clock
async def test_only_a_request_that_asks_for_it_is_tried_again() -> None:
    async with private_client() as client:
        began = soon(0)
        assert isinstance(await failed(client, f"http://127.0.0.1:{free_port()}"), Unreachable)
        assert soon(0) == began


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
    full = asyncio.Event()

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if len(server.asked) == MAX_CONNECTIONS:
            full.set()
        await full.wait()
        await answering(TOKENS)(asked, writer)

    async with loopback(respond) as server:
        asking = MAX_CONNECTIONS + 4
        await asyncio.gather(*(fetch(client, server.origin) for _ in range(asking)))
        assert (server.connections, len(server.asked)) == (MAX_CONNECTIONS, asking)


async def test_a_client_may_have_a_limit_of_its_own() -> None:
    async with (
        loopback(answering(TOKENS)) as server,
        open_client(allow_private=True, timeout=5, max_connections=2) as client,
    ):
        await asyncio.gather(*(fetch(client, server.origin) for _ in range(10)))
        assert (server.connections, len(server.asked)) == (2, 10)


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


async def test_a_client_for_https_sends_nothing_without_it() -> None:
    """Whatever the address is."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with loopback(answering(TOKENS)) as server, Client(unscreened, tls, https_only=True) as client:
        failure = await failed(client, server.origin)
    assert isinstance(failure, ForbiddenAddress)
    assert str(failure) == "no answer: the address is not a public one (nothing was sent)"
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
