"""Answers that are too large, too slow or never begin: each ends in time and within its limit."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncGenerator

import pytest

from providers.errors import TimedOut, TransportFailure, UnreadableResponse
from tests.wire.http.event_loops import on_a_leaping_clock
from tests.wire.http.fetching import private_client, soon
from tests.wire.http.loopback import Asked, Respond, answering, loopback
from wire.http.client import MAX_BODY, Client, open_client, request
from wire.http.response import Response
from wire.http.response_reader import MAX_HEAD, MAX_HEADERS, MAX_MESSAGE_BODY
from wire.waiting import SECOND_LOOK

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


def test_the_limits() -> None:
    """The largest body fits into its message, however it is divided into chunks of a sensible size."""
    assert (MAX_HEAD, MAX_HEADERS) == (32 * 1024, 100)
    assert (MAX_BODY, MAX_MESSAGE_BODY) == (256 * 1024, 320 * 1024)


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
        repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=1),
        repeating(b"HTTP/1.1 200 OK\r\nX: ", b"x", pause=1),
        repeating(CHUNKED, b"1\r\n \r\n", pause=1),
        repeating(CHUNKED + b"0\r\n", b"X: x\r\n", pause=1),
    ],
    ids=["interim answers", "head", "chunks", "trailers"],
)
@on_a_leaping_clock
async def test_an_endless_trickle_ends_at_the_deadline(respond: Respond) -> None:
    async with private_client() as client:
        began = soon(0)
        with pytest.raises(TimedOut) as raised:
            await fetch(client, respond, seconds=3)
        assert soon(0) - began == pytest.approx(3 + SECOND_LOOK)
    assert raised.value.sent


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


@on_a_leaping_clock
async def test_a_compressed_trickle_ends_at_the_deadline() -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n" + gzip.compress(b"{}")[:12]
    async with private_client() as client:
        with pytest.raises(TimedOut):
            await fetch(client, repeating(start, b"", pause=1), seconds=3)


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


async def test_an_answer_is_read_in_one_piece_or_many(client: Client) -> None:
    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        for byte in OK + b"\r\n{}":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    assert (await fetch(client, respond)).content == b"{}"
    assert (await fetch(client, answering(b"{}"))).content == b"{}"
