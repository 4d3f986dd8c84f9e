"""The transport under a plain httpx client, for whoever asks without our own requests."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncGenerator

import httpx
import pytest
from provider_answers import OK
from provider_exchange import TOKENS
from provider_loopback import Asked, Respond, answering, loopback

from wire.http.resolution import as_written
from wire.http.transport import ProviderTransport


@pytest.fixture
async def plain() -> AsyncGenerator[httpx.AsyncClient]:
    transport = ProviderTransport(as_written, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), https_only=False)
    async with httpx.AsyncClient(transport=transport, timeout=5, trust_env=False, follow_redirects=True) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_request_and_its_answer(plain: httpx.AsyncClient, method: str) -> None:
    async with loopback(answering(TOKENS, headers=("X: y",))) as server:
        for _ in range(2):
            answer = await plain.request(method, f"{server.origin}/path?a=b", headers={"X": "y"})
            assert (answer.status_code, answer.content, answer.headers["x"]) == (200, TOKENS, "y")
        assert server.connections == 1
    assert server.asked[0].line == f"{method} /path?a=b HTTP/1.1"
    assert server.asked[0].headers["host"] == server.origin.removeprefix("http://")
    assert server.asked[0].headers["x"] == "y"


async def test_a_body_of_unknown_length_is_sent_with_its_length(plain: httpx.AsyncClient) -> None:
    async def parts() -> AsyncGenerator[bytes]:
        yield b"a=b"
        yield b"&c=d"

    async with loopback(answering(TOKENS)) as server:
        await plain.post(server.origin, content=parts())
    (asked,) = server.asked
    assert asked.form == {"a": ["b"], "c": ["d"]}
    assert "transfer-encoding" not in asked.headers


async def test_a_compressed_body_is_decoded_no_further_than_the_cap(plain: httpx.AsyncClient) -> None:
    async with loopback(answering(gzip.compress(TOKENS), headers=("Content-Encoding: gzip",))) as server:
        assert (await plain.get(server.origin)).json()["access_token"] == "abc"
    async with loopback(answering(gzip.compress(bytes(8 << 20)), headers=("Content-Encoding: gzip",))) as server:
        with pytest.raises(httpx.RemoteProtocolError, match="too large"):
            await plain.get(server.origin)


async def test_neither_redirects_nor_cookies_are_heeded(plain: httpx.AsyncClient) -> None:
    headers = ("Location: /elsewhere", "Set-Cookie: session=CANARY; Path=/")
    async with loopback(answering(b"", status="302 Found", headers=headers)) as server:
        for _ in range(2):
            assert (await plain.get(server.origin)).status_code == 302
    assert [(asked.line, asked.headers.get("cookie")) for asked in server.asked] == [("GET / HTTP/1.1", None)] * 2


async def silence(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hang_up(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)
    writer.close()


@pytest.mark.parametrize(
    ("respond", "error"), [(silence, httpx.ReadTimeout), (hang_up, httpx.RemoteProtocolError)], ids=["silence", "break"]
)
async def test_faults_are_httpx_ones(
    plain: httpx.AsyncClient, respond: Respond, error: type[httpx.TransportError]
) -> None:
    async with loopback(respond) as server:
        with pytest.raises(error):
            await plain.get(server.origin, timeout=0.2)
    with pytest.raises(httpx.ConnectError):
        await plain.get(server.origin)


@pytest.mark.parametrize("method", ["HEAD", "CONNECT", "GET /\r\nX: y\r\n", "get"])
async def test_some_methods_are_not_spoken(plain: httpx.AsyncClient, method: str) -> None:
    async with loopback(answering(TOKENS)) as server:
        with pytest.raises(httpx.LocalProtocolError):
            await plain.send(httpx.Request(method, server.origin) if method != "get" else _lower(server.origin))
    assert server.connections == 0


def _lower(url: str) -> httpx.Request:
    request = httpx.Request("GET", url)
    request.method = "get"
    return request


@pytest.mark.parametrize(
    ("name", "value"), [("X", "a\r\nY: b"), ("X\r\nY", "b"), ("X", "a\0"), ("", "b"), ("X Y", "b")]
)
async def test_a_field_stays_one_field(plain: httpx.AsyncClient, name: str, value: str) -> None:
    async with loopback(answering(TOKENS)) as server:
        with pytest.raises(httpx.LocalProtocolError):
            await plain.get(server.origin, headers={name: value})
    assert server.connections == 0
