"""The bodies of answers: their size, and how they are compressed."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncGenerator
from functools import partial

import pytest

from providers.errors import UnreadableResponse
from tests.providers.entries import provider
from tests.providers.exchanging import exchange
from tests.wire.http.fetching import TOKENS, fetch
from tests.wire.http.loopback import Asked, Respond, answering, loopback
from wire.http.client import MAX_BODY, Client, open_client
from wire.http.response import MAX_MEMBERS, Response, decoded

# The same bytes each time, for they are part of a test's name.
zipped = partial(gzip.compress, mtime=0)


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


async def refused(client: Client, respond: Respond) -> UnreadableResponse:
    async with loopback(respond) as server:
        with pytest.raises(UnreadableResponse) as raised:
            await fetch(client, server.origin)
    return raised.value


async def test_a_body_up_to_the_limit_is_read(client: Client) -> None:
    body = b"x" * MAX_BODY
    async with loopback(answering(body, headers=("Content-Type: text/plain",))) as server:
        answer = await fetch(client, server.origin)
    assert (answer.status, answer.content) == (200, body)
    assert "xxx" not in repr(answer)


async def test_a_larger_body_is_refused(client: Client) -> None:
    assert "too large" in str(await refused(client, answering(b"x" * (MAX_BODY + 1))))


async def test_an_endless_body_is_refused(client: Client) -> None:
    async def endless(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()

    assert "too large" in str(await refused(client, endless))


async def test_a_decompression_bomb_is_refused(client: Client) -> None:
    bomb = zipped(bytes(32 << 20))
    assert len(bomb) < MAX_BODY
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
        ("gzip", zipped(TOKENS)),
        ("X-GZIP", zipped(TOKENS)),
        ("deflate", zlib.compress(TOKENS)),
        ("deflate", zlib.compress(TOKENS, wbits=-zlib.MAX_WBITS)),
        ("deflate, gzip", zipped(zlib.compress(TOKENS))),
        ("gzip ,, identity,Deflate", zlib.compress(zipped(TOKENS), wbits=-zlib.MAX_WBITS)),
        ("utf-8, gzip", zipped(TOKENS)),
        ("gzip", zipped(b"x" * MAX_BODY)),
        ("gzip", zipped(TOKENS[:9]) + zipped(TOKENS[9:])),
        ("gzip", zipped(b"x" * 9) + zipped(b"x" * (MAX_BODY - 9))),
        ("gzip", b"".join(zipped(TOKENS[at : at + 1]) for at in range(len(TOKENS)))),
        ("gzip", zipped(TOKENS) + bytes(500)),
        ("gzip", zipped(TOKENS[:9]) + zipped(TOKENS[9:]) + bytes(500)),
        # What is plain though the label has it otherwise.
        ("gzip", TOKENS),
        ("x-gzip", b"\xef\xbb\xbf \r\n" + TOKENS),
        ("deflate", TOKENS),
        ("deflate, gzip", TOKENS),
        ("deflate, gzip", zipped(TOKENS)),
        ("gzip, deflate", zipped(TOKENS)),
    ],
)
async def test_a_compressed_body_is_read(client: Client, encoding: str, body: bytes) -> None:
    async with loopback(answering(body, headers=(f"Content-Encoding: {encoding}",))) as server:
        answer = await fetch(client, server.origin)
    assert answer.content.removeprefix(b"\xef\xbb\xbf \r\n") in (TOKENS, b"x" * MAX_BODY)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"access_token=abc"),
        ("deflate", b"<html>"),
        ("gzip", zipped(TOKENS) + zipped(TOKENS)[:-1]),
        ("gzip", zipped(TOKENS[:9]) + bytes(9) + zipped(TOKENS[9:])),
        ("gzip", zipped(b"x" * 9) + zipped(b"x" * (MAX_BODY - 8))),
        ("gzip", zipped(b"x") * (MAX_MEMBERS + 1)),
        ("deflate", zlib.compress(TOKENS[:9]) + zlib.compress(TOKENS[9:])),
        ("deflate", zlib.compress(TOKENS) + bytes(9)),
        ("deflate", zlib.compress(TOKENS)[:-1]),
        ("deflate", zlib.compress(TOKENS, wbits=-zlib.MAX_WBITS)[:-1]),
        ("deflate", zlib.compress(b"x" * (MAX_BODY + 1), wbits=-zlib.MAX_WBITS)),
        ("gzip, gzip", zipped(zipped(b"x" * (MAX_BODY + 1)))),
        (", ".join(["gzip"] * 100), zipped(TOKENS)),
        ("gzip", zipped(TOKENS)[:-1]),
        ("gzip", zipped(TOKENS) + b"more"),
        ("gzip", zipped(b"x" * (MAX_BODY + 1))),
    ],
)
async def test_a_body_that_does_not_match_its_encoding(client: Client, encoding: str, body: bytes) -> None:
    assert (await refused(client, answering(body, headers=(f"Content-Encoding: {encoding}",)))).status == 200


@pytest.mark.parametrize(("times", "is_read"), [(5, True), (6, False)])
def test_the_number_of_codings_is_limited(times: int, *, is_read: bool) -> None:
    body = TOKENS
    for _ in range(times):
        body = zipped(body)
    headers = [(b"content-encoding", b"gzip")] * times
    if is_read:
        assert decoded(body, headers, MAX_BODY, 200) == TOKENS
    else:
        with pytest.raises(UnreadableResponse, match="the body has too many encodings"):
            decoded(body, headers, MAX_BODY, 200)


@pytest.mark.parametrize(("members", "is_read"), [(100, True), (101, False)])
def test_the_number_of_members_is_limited(members: int, *, is_read: bool) -> None:
    body = zipped(b"x") * members
    if is_read:
        assert decoded(body, [(b"content-encoding", b"gzip")], MAX_BODY, 200) == b"x" * members
    else:
        with pytest.raises(UnreadableResponse, match="the body does not match its Content-Encoding"):
            decoded(body, [(b"content-encoding", b"gzip")], MAX_BODY, 200)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
@pytest.mark.parametrize(("size", "is_read"), [(1000, True), (1001, False)])
def test_the_size_of_a_decoded_body_is_limited(coding: bytes, size: int, *, is_read: bool) -> None:
    plain = b"x" * size
    body = zipped(plain) if coding == b"gzip" else zlib.compress(plain, wbits=-zlib.MAX_WBITS)
    if is_read:
        assert decoded(body, [(b"content-encoding", coding)], 1000, 418) == plain
    else:
        with pytest.raises(UnreadableResponse, match="418: the body is too large"):
            decoded(body, [(b"content-encoding", coding)], 1000, 418)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"gzip, deflate"])
def test_an_empty_body_has_no_encoding(coding: bytes) -> None:
    assert decoded(b"", [(b"content-encoding", coding)], MAX_BODY, 200) == b""


def test_a_header_is_found_by_its_name() -> None:
    answer = Response(
        200, b"CANARY", [(b"x", b"1"), (b"retry-after", b"\xff"), (b"retry-after", b"2"), (b"y", b"CANARY")]
    )
    assert (answer.header("retry-after"), answer.header("x"), answer.header("z")) == ("\xff", "1", None)
    assert "CANARY" not in repr(answer)


@pytest.mark.parametrize(
    "label",
    ["UTF-8", "none", "binary", "identity", "", "br", "utf-8, none", "8bit", "application/json", "\x80", "gzipped"],
)
async def test_an_unknown_encoding_is_ignored(client: Client, label: str) -> None:
    async with loopback(answering(TOKENS, headers=(f"Content-Encoding: {label}",))) as server:
        assert (await fetch(client, server.origin)).content == TOKENS
        assert (await exchange(client, provider(origin=server.origin))).access_token == "abc"
