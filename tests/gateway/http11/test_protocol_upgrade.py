"""An ignored `Upgrade` changes nothing (RFC 9110 7.8), however its request is framed and split."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.http11.echo_app import SWALLOWED, Echo, Post, answers, statuses
from tests.gateway.http11.loopback_app import get
from tests.gateway.http11.memory_connection import MemoryServer, exchange

H2C = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA",
)
UPGRADES = [
    H2C,
    ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==", "Sec-WebSocket-Version: 13"),
    ("Upgrade: TLS/1.0", "Connection: upgrade"),
    ("Connection: keep-alive", "Connection: UPGRADE", "Upgrade: h2c, websocket", "Upgrade: foo/2"),
    ("Connection: Upgrade", "Upgrade: h2c", "Expect: 100-continue"),
    ("Upgrade: h2c",),
    ("Connection: Upgrade",),
    (),
]
LAST = get("/last", "Connection: close")


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def server(echo: Echo) -> MemoryServer:
    return MemoryServer(echo)


def assert_only(echo: Echo, received: bytes, *bodies: bytes) -> None:
    """Exactly these requests ran, each with its body, and then the last one."""
    assert [said["body"] for said in answers(received)] == [*(body.decode("latin-1") for body in bodies), ""]
    assert [ran["path"] for ran in echo.ran] == ["/post"] * len(bodies) + ["/last"]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("upgrade", UPGRADES, ids=lambda lines: " ".join(lines)[:40] or "none")
async def test_cut_at_every_byte(echo: Echo, server: MemoryServer, upgrade: tuple[str, ...], chunked: bool) -> None:
    """The body looks like a request itself, to a server that reads it as one."""
    post = Post(SWALLOWED, chunked, upgrade, trailers=b"X-Swallow: x\r\n" if chunked else b"")
    sent = post.sent + post.sent + LAST
    for at in range(0, len(sent), 3):
        echo.ran.clear()
        assert_only(echo, await exchange(server, sent[:at], sent[at:]), SWALLOWED, SWALLOWED)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_byte_by_byte(echo: Echo, server: MemoryServer, chunked: bool) -> None:
    post = Post(SWALLOWED, chunked, H2C)
    sent = post.sent + LAST
    assert_only(echo, await exchange(server, *(sent[at : at + 1] for at in range(len(sent)))), SWALLOWED)


POSTS = st.builds(
    Post,
    st.one_of(st.binary(max_size=300), st.sampled_from([SWALLOWED, b"\r\n\r\n", b"0\r\n\r\n" * 3])),
    st.booleans(),
    st.sampled_from(UPGRADES),
    st.integers(1, 100),
    st.sampled_from([b"", b";a=b", b' ; a="b;c"']),
    st.sampled_from([b"", b"Authorization: Bearer x\r\nConnection: close\r\nContent-Length: 5\r\n"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(posts=st.lists(POSTS, min_size=1, max_size=4), cuts=st.lists(st.floats(0, 1), max_size=6))
async def test_any_requests_cut_anywhere(
    echo: Echo, server: MemoryServer, posts: list[Post], cuts: list[float]
) -> None:
    echo.ran.clear()
    sent = b"".join(post.sent for post in posts) + LAST
    places = sorted(int(cut * len(sent)) for cut in cuts)
    parts = [sent[begin:end] for begin, end in zip([0, *places], [*places, len(sent)], strict=True)]
    received = await exchange(server, *parts)
    assert_only(echo, received, *(post.body for post in posts))
    assert all("authorization" not in dict(ran["headers"]) for ran in echo.ran)


async def test_the_connection_can_be_used_again(echo: Echo, server: MemoryServer) -> None:
    connection = server.connect()
    for number in range(20):
        connection.received = b""
        body = b"%d" % number * 50
        await connection.send(Post(body, bool(number % 2), H2C).sent)
        assert b"connection: close" not in connection.received.lower()
        assert [said["body"] for said in answers(connection.received)] == [body.decode()]


@pytest.mark.parametrize(
    "sent",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0",
        b"CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\n\r\nGET /swallowed HTTP/1.1\r\nHost: test\r\n\r\n",
        b"CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\nContent-Length: 3\r\n\r\nabc" + get("/swallowed"),
        b"GET / HTTP/2.0\r\nHost: test\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(200),
    ],
    ids=["HTTP/2", "CONNECT", "CONNECT with a body", "version 2", "version 0.9", "TLS"],
)
async def test_other_protocols_end_cleanly(echo: Echo, server: MemoryServer, sent: bytes) -> None:
    received = await exchange(server, sent)
    assert statuses(received) == [400]
    assert b"\r\nconnection: close\r\n" in received.lower()
    assert echo.ran == []
