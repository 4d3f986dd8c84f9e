"""Answers of all sizes, compressed answers, redirects, and answers that are not HTTP."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncGenerator
from functools import partial

import pytest

from providers.errors import ErrorAnswer, Meaning, UnreadableResponse
from tests.providers.provider_entries import provider
from tests.providers.provider_exchange import TOKENS, exchange, failed, fetch
from tests.providers.provider_loopback import Asked, Respond, answering, loopback
from wire.http.client import MAX_BODY, Client, open_client
from wire.http.response import MAX_MEMBERS

# The same bytes each time, for they are part of a test's name.
zipped = partial(gzip.compress, mtime=0)


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


# Size and form of what comes back


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
    bomb = zipped(bytes(64 << 20))
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


@pytest.mark.parametrize(
    "label",
    ["UTF-8", "none", "binary", "identity", "", "br", "utf-8, none", "8bit", "application/json", "\x80", "gzipped"],
)
async def test_an_unknown_encoding_is_ignored(client: Client, label: str) -> None:
    async with loopback(answering(TOKENS, headers=(f"Content-Encoding: {label}",))) as server:
        assert (await fetch(client, server.origin)).content == TOKENS
        assert (await exchange(client, provider(origin=server.origin))).access_token == "abc"


@pytest.mark.parametrize("label", ["UTF-8", "none", "gzip", "deflate", "br"])
@pytest.mark.parametrize("body", [b"", b"CANARY", b"x" * (MAX_BODY + 1)])
@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("400 Bad Request", Meaning.UNCLEAR),
        ("401 Unauthorized", Meaning.MISCONFIGURED),
        ("429 Slow Down", Meaning.SLOW_DOWN),
        ("500 Error", Meaning.TEMPORARY),
    ],
)
async def test_an_error_with_an_unreadable_body_is_judged_by_its_status(
    client: Client, label: str, body: bytes, status: str, meaning: Meaning
) -> None:
    headers = (f"Content-Encoding: {label}",)
    async with loopback(answering(body, status=status, headers=headers)) as server:
        with pytest.raises(ErrorAnswer) as raised:
            await exchange(client, provider(origin=server.origin))
    assert raised.value.meaning == meaning
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize("label", ["UTF-8", "none", "", "br"])
async def test_an_error_with_an_unknown_encoding_is_read(client: Client, label: str) -> None:
    respond = answering(
        b'{"error": "invalid_grant"}', status="400 Bad Request", headers=(f"Content-Encoding: {label}",)
    )
    async with loopback(respond) as server:
        with pytest.raises(ErrorAnswer) as raised:
            await exchange(client, provider(origin=server.origin))
    assert (raised.value.error, raised.value.meaning) == ("invalid_grant", Meaning.GRANT_OVER)


@pytest.mark.parametrize(
    "location", ["/elsewhere", "https://elsewhere.example", "http://[", "//xn--%25eth0", "https://x%zz]", "\x80", ""]
)
async def test_a_redirect_is_not_followed(client: Client, location: str) -> None:
    respond = answering(TOKENS, status="307 Temporary Redirect", headers=(f"Location: {location}",))
    async with loopback(respond) as server:
        with pytest.raises(UnreadableResponse) as raised:
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
async def test_an_answer_that_is_not_http_is_a_safe_fault(client: Client, answer: bytes) -> None:
    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with loopback(respond) as server:
        failure = await failed(client, server.origin)
    assert failure.sent
    assert len(server.asked) == 1
    assert "CANARY" not in str(failure)


# Errors whose head says what counts, whatever becomes of the body

SLOW_DOWN = b"HTTP/1.1 400 Bad Request\r\nRetry-After: 30\r\n"
LOST_BODIES = {
    "over the cap": SLOW_DOWN + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1) + b"x" * (MAX_BODY + 1),
    "cut short": SLOW_DOWN + b"Content-Length: 9\r\n\r\n{",
    "chunks cut short": SLOW_DOWN + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    "chunks that are none": SLOW_DOWN + b"Transfer-Encoding: chunked\r\n\r\nCANARY\r\n",
    "an overlong chunk extension": SLOW_DOWN + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 400_000,
    "many fields": SLOW_DOWN + b"X: x\r\n" * 100 + b"Content-Length: 2\r\n\r\n{}",
    "no gzip": SLOW_DOWN + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
}


def writing(answer: bytes, *, closes: bool = True) -> Respond:
    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        if closes:
            writer.close()
        else:
            await asyncio.Event().wait()

    return respond


@pytest.mark.parametrize("name", LOST_BODIES)
async def test_an_error_is_judged_by_its_head_if_its_body_is_lost(client: Client, name: str) -> None:
    async with loopback(writing(LOST_BODIES[name])) as server:
        with pytest.raises(ErrorAnswer) as raised:
            await exchange(client, provider(origin=server.origin))
        assert len(server.asked) == 1
    assert (raised.value.status, raised.value.meaning, raised.value.retry_after) == (400, Meaning.SLOW_DOWN, 30)
    assert not raised.value.overdue


@pytest.mark.parametrize("name", ["cut short", "chunks cut short"])
async def test_an_endless_error_is_judged_by_its_head_and_overdue(client: Client, name: str) -> None:
    async with loopback(writing(LOST_BODIES[name], closes=False)) as server:
        with pytest.raises(ErrorAnswer) as raised:
            await exchange(client, provider(origin=server.origin), seconds=0.2)
    assert (raised.value.meaning, raised.value.retry_after, raised.value.overdue) == (Meaning.SLOW_DOWN, 30, True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nRetry-After: 30\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP/1.1 302 Found\r\nRetry-After: 30\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP/1.1 400 Bad Request\r\nRetry-After: 30\r\n",
        b"HTTP/1.1 400 Bad Request\r\nRetry-After: 30\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 400 Bad Request\r\nRetry-After: 30\r\nTransfer-Encoding: gzip\r\n\r\n{}",
    ],
)
async def test_an_incomplete_success_and_an_incomplete_head_are_failures(client: Client, answer: bytes) -> None:
    async with loopback(writing(answer)) as server:
        assert (await failed(client, server.origin)).sent
