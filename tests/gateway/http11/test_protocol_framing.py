"""Which data is a request and which is not (RFC 9112), and what happens to the rest of the connection."""

from __future__ import annotations

import json

import pytest

from gateway.http11.bodies import CHUNK_LIMIT, CHUNKING_LIMIT
from gateway.http11.head import FIELD_LIMIT, HEAD_LIMIT
from tests.gateway.http11.echo_app import Echo, Post, answers, statuses
from tests.gateway.http11.loopback_app import get, head
from tests.gateway.http11.memory_connection import MemoryServer, exchange

LAST = get("/last", "Connection: close")


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def server(echo: Echo) -> MemoryServer:
    return MemoryServer(echo)


CHUNKED = head("Host: test", "Transfer-Encoding: chunked")
MALFORMED = {
    "no host": head(),
    "two hosts": head("Host: test", "Host: test"),
    "an empty host": head("Host: "),
    "hosts in one line": head("Host: a, b"),
    "a host with a path": head("Host: test/path"),
    "a host with a user": head("Host: user@test"),
    "a host with a bad port": head("Host: test:80a"),
    "a host with a blank": head("Host: te st"),
    "two hosts in version 1.0": head("Host: a", "Host: b", start="GET / HTTP/1.0"),
    "gzip, chunked": head("Host: test", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "gzip and chunked": head("Host: test", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked twice": head("Host: test", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked, chunked": head("Host: test", "Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "an empty coding": head("Host: test", "Transfer-Encoding: , chunked") + b"0\r\n\r\n",
    "identity": head("Host: test", "Transfer-Encoding: identity"),
    "gzip": head("Host: test", "Transfer-Encoding: gzip"),
    "xchunked": head("Host: test", "Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "a parameter of chunked": head("Host: test", "Transfer-Encoding: chunked;q=1") + b"0\r\n\r\n",
    "gzip with an upgrade": head("Host: test", "Connection: upgrade", "Upgrade: h2c", "Transfer-Encoding: gzip"),
    "chunked in version 1.0": head("Host: test", "Transfer-Encoding: chunked", start="POST / HTTP/1.0") + b"0\r\n\r\n",
    "both framings": head("Host: test", "Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n",
    "both, the other way": head("Host: test", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "two lengths": head("Host: test", "Content-Length: 5", "Content-Length: 6") + b"123456",
    "equal lengths": head("Host: test", "Content-Length: 5", "Content-Length: 5") + b"12345",
    "a list of lengths": head("Host: test", "Content-Length: 5, 5") + b"12345",
    "a signed length": head("Host: test", "Content-Length: +5") + b"12345",
    "an empty length": head("Host: test", "Content-Length: ") + b"12345",
    "a folded line": head("Host: test", "A: b\r\n c"),
    "a fold at the start": head(" A: b", "Host: test"),
    "a folded coding": head("Host: test", "Transfer-Encoding:\r\n chunked") + b"0\r\n\r\n",
    "bare line feeds": b"POST / HTTP/1.1\nHost: test\n\n",
    "a bare line feed": b"POST / HTTP/1.1\r\nHost: test\n\r\n",
    "a bare line feed at the end": b"POST / HTTP/1.1\r\nHost: test\r\n\n",
    "a bare carriage return": b"POST / HTTP/1.1\r\nHost: test\rA: b\r\n\r\n",
    "a blank before the colon": head("Host : test"),
    "no name": head("Host: test", ": b"),
    "a name with a bracket": head("Host: test", "A(: b"),
    "NUL": head("Host: test", "A: b\0c"),
    "an unknown method": head("Host: test", start="FOO / HTTP/1.1"),
    "version 1.2": head("Host: test", start="GET / HTTP/1.2"),
    "a target without slash": head("Host: test", start="GET nowhere HTTP/1.1"),
}
MALFORMED_BODIES = {
    "a chunk that is too long": b"3\r\nabcd\r\n0\r\n\r\n",
    "a chunk that is too short": b"3\r\nab\r\n0\r\n\r\n",
    "a signed size": b"-3\r\nabc\r\n0\r\n\r\n",
    "a size in C": b"0x3\r\nabc\r\n0\r\n\r\n",
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "a huge size": b"1" * 17 + b"\r\n",
    "a blank after the size": b"3 \r\nabc\r\n0\r\n\r\n",
    "a size with a bare line feed": b"3\nabc\r\n0\r\n\r\n",
    "content with a bare line feed": b"3\r\nabc\n0\r\n\r\n",
    "an extension with a bare line feed": b"3;a\nabc\r\n0\r\n\r\n",
    "an extension with a carriage return": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "an end with a bare line feed": b"0\r\n\n",
    "a trailer that is a request": b"0\r\nGET /swallowed HTTP/1.1\r\nHost: test\r\n\r\n",
    "a trailer with a bare line feed": b"0\r\nA: b\n\r\n",
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "a trailer with a blank before the colon": b"0\r\nA : b\r\n\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_head(echo: Echo, server: MemoryServer, sent: bytes) -> None:
    """It is rejected, and the data after it is not read."""
    received = await exchange(server, sent + LAST)
    assert statuses(received) == [400]
    assert b"\r\nconnection: close\r\n" in received.lower()
    assert json.loads(received.partition(b"\r\n\r\n")[2]).keys() == {"error", "message"}
    assert echo.ran == []


@pytest.mark.parametrize("sent", MALFORMED_BODIES.values(), ids=MALFORMED_BODIES)
async def test_a_malformed_body(echo: Echo, server: MemoryServer, sent: bytes) -> None:
    received = await exchange(server, CHUNKED + sent + LAST)
    assert statuses(received) == [400]
    assert echo.ran == []


@pytest.mark.parametrize("sent", [MALFORMED["no host"], CHUNKED + MALFORMED_BODIES["no size"]], ids=["head", "body"])
async def test_earlier_requests_are_answered_first(echo: Echo, server: MemoryServer, sent: bytes) -> None:
    received = await exchange(server, get("/one") + get("/two") + sent)
    assert statuses(received) == [200, 200, 400]
    assert [ran["path"] for ran in echo.ran] == ["/one", "/two"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [("*/*", "application/json"), ("application/graphql-response+json", "application/graphql-response+json")],
)
async def test_graphql_gets_a_graphql_error(server: MemoryServer, accept: str, media: str) -> None:
    """If the head could be read far enough to tell."""
    sent = head(f"Accept: {accept}", start="POST /graphql?x HTTP/1.1")
    fields, _, body = (await exchange(server, sent)).partition(b"\r\n\r\n")
    assert b"content-type: %b;" % media.encode() in fields
    assert json.loads(body)["errors"][0]["extensions"] == {"code": "VALIDATION_ERROR"}


WELL_FORMED = {
    "a port": head("Host: test:8000"),
    "an address": head("Host: [2001:db8::1]:8000"),
    "an underscore": head("Host: tendon_1"),
    "a blank after the host": head("Host: test \t"),
    "chunked in capitals": head("Host: test", "Transfer-Encoding: CHUNKED") + b"0\r\n\r\n",
    "chunked between blanks": head("Host: test", "Transfer-Encoding: \t chunked ") + b"0\r\n\r\n",
    "blank lines before": b"\r\n\r\n" + head("Host: test"),
    "a length with zeros": head("Host: test", "Content-Length: 0000"),
    "zeros in a size": CHUNKED + b"000\r\n\r\n",
    "an extension": CHUNKED + b'0 ; a="b" ;c\r\n\r\n',
    "a whole address": head("Host: test", start="GET http://test/ HTTP/1.1"),
}


@pytest.mark.parametrize("sent", WELL_FORMED.values(), ids=WELL_FORMED)
async def test_a_well_formed_request(echo: Echo, server: MemoryServer, sent: bytes) -> None:
    assert [said["path"] for said in answers(await exchange(server, sent + LAST))] == ["/", "/last"]


@pytest.mark.parametrize("lines", [(), ("Host: test",), ("Host: test", "Connection: Upgrade", "Upgrade: h2c")])
async def test_version_1_0(echo: Echo, server: MemoryServer, lines: tuple[str, ...]) -> None:
    """It needs no Host, and gets no interim response."""
    sent = head(*lines, "Expect: 100-continue", "Content-Length: 3", start="POST / HTTP/1.0")
    received = await exchange(server, sent, b"abc" + LAST)
    assert statuses(received) == [200]
    assert [ran["body"] for ran in echo.ran] == ["abc"]


async def test_nothing_is_read_after_the_last_request(echo: Echo, server: MemoryServer) -> None:
    assert statuses(await exchange(server, LAST + b"nonsense\r\n\r\n" + get("/more"))) == [200]
    assert [ran["path"] for ran in echo.ran] == ["/last"]


async def test_repeated_fields_are_combined(echo: Echo, server: MemoryServer) -> None:
    fields = ["Accept: a/b", "X: 1", "accept: c/d", "Authorization: x", "ACCEPT: e/f", "Authorization: y"]
    [said] = answers(await exchange(server, get("/", *fields, "Connection: close")))
    assert [value for name, value in said["headers"] if name == "accept"] == ["a/b, c/d, e/f"]
    assert [value for name, value in said["headers"] if name == "authorization"] == ["x", "y"]


TRAILERS = (
    b"Authorization: x\r\nContent-Type: x\r\nTransfer-Encoding: x\r\nContent-Length: 99\r\nHost: x\r\n"
    b"Connection: close\r\nUpgrade: h2c\r\n"
)


async def test_trailers_have_no_effect(echo: Echo, server: MemoryServer) -> None:
    post = Post(b"body" * 10, chunked=True, trailers=TRAILERS)
    said = answers(await exchange(server, post.sent + post.sent + LAST))
    assert [answer["body"] for answer in said] == ["body" * 10, "body" * 10, ""]
    assert [len(answer["headers"]) for answer in said] == [2, 2, 2]
    assert {value for answer in said for _, value in answer["headers"]} == {"test", "chunked", "close"}


async def test_too_many_trailers(echo: Echo, server: MemoryServer) -> None:
    trailers = b"A: b\r\n" * (CHUNKING_LIMIT // len(b"A: b\r\n") + 1)
    received = await exchange(server, CHUNKED + b"0\r\n" + trailers + b"\r\n" + LAST)
    assert statuses(received) == [431]
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"] == "headers_too_large"
    assert echo.ran == []


@pytest.mark.parametrize(
    "sent",
    [
        head("Host: test", "A: " + "b" * HEAD_LIMIT),
        head("Host: test", *["A: b"] * FIELD_LIMIT),
        b"\r\n" * (HEAD_LIMIT // 2 + 1),
    ],
    ids=["bytes", "fields", "blank lines"],
)
async def test_a_head_that_is_too_long(echo: Echo, server: MemoryServer, sent: bytes) -> None:
    assert statuses(await exchange(server, sent + LAST)) == [431]
    assert echo.ran == []


async def test_small_chunks_are_allowed(echo: Echo, server: MemoryServer) -> None:
    post = Post(b"x" * 1000, chunked=True, chunk=1)
    assert answers(await exchange(server, post.sent + LAST))[0]["body"] == "x" * 1000


async def test_too_many_chunks(echo: Echo, server: MemoryServer) -> None:
    """For their size."""
    received = await exchange(server, Post(b"x" * (2 * CHUNK_LIMIT), chunked=True, chunk=1).sent + LAST)
    assert statuses(received) == [400]
    assert echo.ran == []


@pytest.mark.parametrize(("size", "chunk"), [(CHUNK_LIMIT, 1), (65_536, 57), (25_000, 20)])
async def test_a_body_written_piece_by_piece(server: MemoryServer, size: int, chunk: int) -> None:
    post = Post(b"x" * size, chunked=True, chunk=chunk)
    assert answers(await exchange(server, post.sent + LAST))[0]["body"] == "x" * size
