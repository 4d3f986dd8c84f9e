"""What an answer means for an exchange when its body is unreadable, lost or not HTTP at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from providers.errors import ErrorAnswer, Meaning, UnreadableResponse
from tests.providers.entries import provider
from tests.providers.exchanging import exchange
from tests.wire.http.fetching import TOKENS, failed
from tests.wire.http.loopback import Asked, Respond, answering, loopback
from wire.http.client import MAX_BODY, Client, open_client


@pytest.fixture
async def client() -> AsyncGenerator[Client]:
    async with open_client(allow_private=True, timeout=5) as client:
        yield client


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
