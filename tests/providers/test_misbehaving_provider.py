"""Answers that are too large, too slow or never begin: each ends in time and within its limit."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import AsyncGenerator

import httpx
import pytest

from providers.errors import ForbiddenAddress, TimedOut, TransportFailure, Unreachable, UnreadableResponse
from tests.providers.provider_loopback import Asked, Respond, answering, loopback
from wire.http.addresses import PublicAddresses
from wire.http.client import MAX_BODY, Client, open_client
from wire.http.request import request
from wire.http.response import Response
from wire.http.response_reader import MAX_HEAD, MAX_HEADERS, MAX_MESSAGE_BODY

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=20) as client:
        yield client


async def fetch(client: Client, respond: Respond, *, seconds: float = 20) -> Response:
    async with loopback(respond) as server:
        return await client.send(request("GET", server.origin), deadline=asyncio.get_running_loop().time() + seconds)


def saying(answer: bytes) -> Respond:
    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return respond


def repeating(start: bytes, piece: bytes, *, pause: float = 0) -> Respond:
    """Sends `start`, then `piece` until the client closes the connection."""

    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return respond


def head_of(size: int) -> bytes:
    filler = size - len(OK) - len(b"X: \r\n\r\n")
    return OK + b"X: " + b"x" * filler + b"\r\n\r\n"


# Heads


async def test_a_head_up_to_the_limit_is_read(client: Client) -> None:
    assert (await fetch(client, saying(head_of(MAX_HEAD) + b"{}"))).content == b"{}"


@pytest.mark.parametrize("size", [MAX_HEAD + 1, 4 * MAX_HEAD])
async def test_a_larger_head_is_refused(client: Client, size: int) -> None:
    with pytest.raises(TransportFailure, match="the answer is too large") as raised:
        await fetch(client, saying(head_of(size) + b"{}"))
    assert raised.value.sent


async def test_as_many_headers_as_the_limit_are_read(client: Client) -> None:
    fields = b"X: x\r\n" * (MAX_HEADERS - 1)
    assert (await fetch(client, saying(OK + fields + b"\r\n{}"))).content == b"{}"


async def test_more_headers_are_refused(client: Client) -> None:
    fields = b"X: x\r\n" * MAX_HEADERS
    with pytest.raises(UnreadableResponse, match="too many fields"):
        await fetch(client, saying(OK + fields + b"\r\n{}"))


async def test_interim_answers_are_skipped(client: Client) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" * 3
    assert (await fetch(client, saying(interim + OK + b"\r\n{}"))).content == b"{}"


@pytest.mark.parametrize(
    "respond",
    [
        repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        repeating(b"", b"HTTP/1.1 103 Early Hints\r\nX: x\r\n\r\n"),
        repeating(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n" * 100),
        repeating(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1000),
    ],
    ids=["100s", "103s", "fields", "one field"],
)
async def test_an_endless_head_ends_at_the_limit(client: Client, respond: Respond) -> None:
    with pytest.raises(TransportFailure, match="the answer is too large"):
        await fetch(client, respond)


@pytest.mark.parametrize(
    "respond",
    [
        repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.01),
        repeating(b"HTTP/1.1 200 OK\r\nX: ", b"x", pause=0.01),
        repeating(CHUNKED, b"1\r\n \r\n", pause=0.01),
        repeating(CHUNKED + b"0\r\n", b"X: x\r\n", pause=0.01),
    ],
    ids=["interim answers", "head", "chunks", "trailers"],
)
async def test_an_endless_trickle_ends_at_the_deadline(client: Client, respond: Respond) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut) as raised:
        await fetch(client, respond, seconds=0.2)
    assert raised.value.sent
    assert time.monotonic() - began < 1.2


async def test_switching_protocols_is_refused(client: Client) -> None:
    with pytest.raises(TransportFailure, match="did not speak HTTP"):
        await fetch(client, saying(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nCANARY"))


# Bodies


async def test_a_chunked_body_up_to_the_limit_is_read(client: Client) -> None:
    chunk = b"40\r\n" + b"x" * 64 + b"\r\n"
    answer = await fetch(client, saying(CHUNKED + chunk * (MAX_BODY // 64) + b"0\r\n\r\n"))
    assert len(answer.content) == MAX_BODY


@pytest.mark.parametrize(
    "respond",
    [
        repeating(CHUNKED, b"1\r\nx\r\n" * 1000),
        repeating(CHUNKED, b"1;" + b"x" * 9000 + b"\r\nx\r\n"),
        repeating(CHUNKED + b"100;", b"x" * 1000),
        repeating(CHUNKED + b"0\r\n", b"X: x\r\n" * 1000),
    ],
    ids=["tiny chunks", "chunk extensions", "one extension", "trailers"],
)
async def test_chunk_sizes_extensions_and_trailers_are_limited(client: Client, respond: Respond) -> None:
    with pytest.raises(TransportFailure):
        await fetch(client, respond)


async def test_a_compressed_trickle_ends_at_the_deadline(client: Client) -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n" + gzip.compress(b"{}")[:12]
    with pytest.raises(TimedOut):
        await fetch(client, repeating(start, b"", pause=0.01), seconds=0.2)


async def test_other_tasks_run_while_a_large_answer_is_parsed(client: Client) -> None:
    """An answer in as many and as small chunks as possible does not block the event loop."""
    many = saying(CHUNKED + b"1\r\nx\r\n" * (MAX_MESSAGE_BODY // 6 - 10) + b"0\r\n\r\n")
    turns = 0
    flooded = asyncio.create_task(fetch(client, many))
    while not flooded.done():
        await asyncio.sleep(0)
        turns += 1
    assert len((await flooded).content) == MAX_MESSAGE_BODY // 6 - 10
    assert turns > MAX_MESSAGE_BODY // 8192


@pytest.mark.parametrize("size", [64 << 10, (64 << 10) + 1, 200 << 10])
async def test_bytes_after_a_large_answer_never_belong_to_the_next(client: Client, size: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    body = b"x" * (size - len(head % size))
    follower = OK + b"\r\n{}"
    async with loopback(saying(head % len(body) + body + follower)) as server:
        for _ in range(3):
            deadline = asyncio.get_running_loop().time() + 20
            answer = await client.send(request("GET", server.origin), deadline=deadline)
            assert answer.content == body
        assert server.connections == 3


# Names


class NameServer:
    """Answers from `zone`; look-ups of other names hang until it is released."""

    def __init__(self, zone: dict[str, list[str]]) -> None:
        self.zone = zone
        self.asked: list[str] = []
        self.released = threading.Event()

    def look_up(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.zone:
            self.released.wait()
            raise OSError("no answer")
        return self.zone[host]


async def test_a_hung_name_server_uses_one_thread_per_name() -> None:
    server = NameServer({"well.example": ["8.8.8.8"]})
    resolve = PublicAddresses(server.look_up)
    threads = threading.active_count()
    # More names than the event loop has threads.
    names = [f"hung{number}.example" for number in range(20)]
    waiting = [asyncio.create_task(resolve(name, 443)) for name in names for _ in range(10)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(resolve("well.example", 443), 10) == ["8.8.8.8"]
    assert sorted(server.asked) == sorted([*names, "well.example"])
    assert threading.active_count() <= threads + len(names) + 1
    # Some requests time out; a later one waits for the look-up in progress.
    for task in waiting[10:]:
        task.cancel()
    late = asyncio.create_task(resolve(names[0], 443))
    await asyncio.sleep(0)
    server.released.set()
    outcomes = await asyncio.gather(*waiting[:10], late, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unreachable] * 11
    assert len(server.asked) == len(names) + 1


@pytest.mark.parametrize("addresses", [[], ["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["8.8.8.8", "::1"]])
async def test_a_name_with_one_private_address_is_refused(addresses: list[str]) -> None:
    resolve = PublicAddresses(NameServer({"mixed.example": addresses}).look_up)
    with pytest.raises(ForbiddenAddress):
        await resolve("mixed.example", 443)


async def test_addresses_are_screened_for_each_connection() -> None:
    """A name that resolves to another address the second time (DNS rebinding)."""
    server = NameServer({"rebound.example": ["8.8.8.8"]})
    resolve = PublicAddresses(server.look_up)
    assert await resolve("rebound.example", 443) == ["8.8.8.8"]
    server.zone["rebound.example"] = ["127.0.0.1"]
    with pytest.raises(ForbiddenAddress):
        await resolve("rebound.example", 443)


async def test_a_failed_look_up_is_repeated() -> None:
    server = NameServer({})
    server.released.set()
    resolve = PublicAddresses(server.look_up)
    with pytest.raises(Unreachable):
        await resolve("later.example", 443)
    server.zone["later.example"] = ["8.8.8.8"]
    assert await resolve("later.example", 443) == ["8.8.8.8"]


async def test_a_hanging_look_up_times_out_with_nothing_sent() -> None:
    """The deadline includes resolving the name."""
    server = NameServer({})
    async with hanging_by_name(server) as client:
        deadline = asyncio.get_running_loop().time() + 0.1
        with pytest.raises(TimedOut) as raised:
            await client.send(request("GET", "https://hung.example/"), deadline=deadline)
    server.released.set()
    assert not raised.value.sent


def hanging_by_name(server: NameServer) -> Client:
    return Client(PublicAddresses(server.look_up), httpx.create_ssl_context(), https_only=True)


async def test_an_answer_is_read_in_one_piece_or_many(client: Client) -> None:
    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        for byte in OK + b"\r\n{}":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    assert (await fetch(client, respond)).content == b"{}"
    assert (await fetch(client, answering(b"{}"))).content == b"{}"
