"""No request holds its connection: whatever its head says and however it is cut, it is answered or the connection ends.

llhttp refuses some heads only after it has called them complete.
"""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.http11.echo_app import Echo, statuses
from tests.gateway.http11.loopback_app import get
from tests.gateway.http11.memory_connection import MemoryServer, exchange
from tests.gateway.virtual_time import VirtualTimeLoop, in_virtual_time, now

# Seconds in which every connection of these tests must have ended: a body's limit, that of an idle connection, and some
# more.
BOUND = 35
KEEP_ALIVE = 5


def head(*fields: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([start, b"Host: test", *fields, b"", b""])


REFUSED = {
    "a tab after chunked": (b"Transfer-Encoding: chunked\t",),
    "blanks after chunked": (b"Transfer-Encoding: chunked \t",),
    "another coding": (b"Transfer-Encoding: gzip",),
    "a tab, to be closed": (b"Transfer-Encoding: chunked\t", b"Connection: close"),
    "a tab and a blank": (b"Transfer-Encoding: chunked\t ",),
    "a tab, with an upgrade": (b"Transfer-Encoding: chunked\t", b"Connection: upgrade", b"Upgrade: h2c"),
    "a length of many digits": (b"Content-Length: " + b"0" * 5000,),
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("before", [0, 1, 3])
@in_virtual_time
async def test_a_head_that_llhttp_refuses_late(fields: tuple[bytes, ...], before: int) -> None:
    """It is answered once and at once, after the requests before it, and does not run."""
    echo = Echo()
    began = now()
    received = await exchange(MemoryServer(echo), get("/first") * before + head(*fields))
    assert statuses(received) == [200] * before + [400]
    assert [ran["path"] for ran in echo.ran] == ["/first"] * before
    assert now() == began


OWS = st.text(" \t", max_size=3).map(str.encode)
VALUES = {
    b"Transfer-Encoding": [b"chunked", b"Chunked", b"gzip", b"gzip, chunked", b"chunked,", b"chunked;a", b"", b"\xff"],
    b"Content-Length": [b"0", b"5", b"00005", b"5 5", b"5,5", b"-5", b"5;", b"0x5", b"9" * 19, b"0" * 30, b""],
    b"Connection": [b"close", b"keep-alive", b"upgrade", b"close, upgrade", b"keep-alive\t,close", b",", b"", b"\x80"],
    b"Upgrade": [b"h2c", b"websocket", b""],
    b"Expect": [b"100-continue", b"100-Continue", b"200"],
    b"Host": [b"test", b"", b"a b"],
    b"X": [b"", b"a", b"\x0b", b"\x00", b"\r", b"\n"],
}
STARTS = [
    b"GET / HTTP/1.1",
    b"POST / HTTP/1.1",
    b"POST / HTTP/1.0",
    b"HEAD / HTTP/1.1",
    b"GET * HTTP/1.1",
    b"GET /%zz HTTP/1.1",
    b"GET http://x HTTP/1.1",
    b"GET http://[x/ HTTP/1.1",
    b"CONNECT a:1 HTTP/1.1",
    b"GET / RTSP/1.0",
    b"SOURCE / ICE/1.0",
]
BODIES = [b"", b"12345", b"0\r\n\r\n", b"5\r\n12345\r\n0\r\n\r\n", b"5\r\n1", b"x\r\n"]


@st.composite
def field(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from(list(VALUES)))
    value = draw(OWS) + draw(st.sampled_from(VALUES[name])) + draw(OWS)
    return name + draw(st.sampled_from([b""] * 9 + [b" ", b"\t"])) + b":" + value


@st.composite
def message(draw: st.DrawFn) -> bytes:
    before = draw(st.sampled_from([b"", b"\r\n"]))
    fields = draw(st.lists(field(), max_size=4))
    return before + head(*fields, start=draw(st.sampled_from(STARTS))) + draw(st.sampled_from(BODIES))


@settings(max_examples=100, deadline=None)
@given(
    before=st.integers(0, 2), messages=st.lists(message(), min_size=1, max_size=2), cuts=st.lists(st.integers(1, 90))
)
def test_no_head_holds_its_connection(before: int, messages: list[bytes], cuts: list[int]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        found = runner.run(_found(get("/first") * before + b"".join(messages), cuts))
    # Each request gets one response, and nothing runs after a rejection.
    assert found[:before] == [200] * before
    assert len(found) <= before + len(messages) + 1
    assert all(status == 200 for status in found[:-1])


async def _found(sent: bytes, cuts: list[int]) -> list[int]:
    """The statuses of the final responses, when the connection has ended."""
    connection = MemoryServer(Echo(), keep_alive=KEEP_ALIVE).connect()
    for cut in cuts:
        await connection.send(sent[:cut])
        sent = sent[cut:]
    await connection.send(sent)
    async with asyncio.timeout(BOUND):
        received = await connection.ended()
    return [status for status in statuses(received) if status != 100]


@pytest.mark.parametrize(
    "start",
    [b"GET /livez RTSP/1.0", b"ANNOUNCE x RTSP/1.0", b"OPTIONS / RTSP/1.1", b"SOURCE /x ICE/1.0", b"GET / HTTPS/1.1"],
)
@in_virtual_time
async def test_other_protocols(start: bytes) -> None:
    echo = Echo()
    sent = head(b"Connection: close", start=start)
    for parts in ([sent], [sent[: len(start) - 4], sent[len(start) - 4 :]], [start + b"\r", sent[len(start) + 1 :]]):
        assert statuses(await exchange(MemoryServer(echo), *parts)) == [400]
    assert echo.ran == []


@pytest.mark.parametrize(
    "sent",
    [head(start=b"GET /%zz HTTP/1.1"), head(start=b"GET /" + b"a" * 9000 + b" HTTP/1.1"), b"GET / HTTP/1.1\r\n"],
    ids=["400", "414", "408"],
)
@in_virtual_time
async def test_a_raw_response_has_a_date(sent: bytes) -> None:
    """RFC 9110 6.6.1."""
    fields, _, body = (await exchange(MemoryServer(Echo()), sent)).partition(b"\r\n\r\n")
    [date] = [line for line in fields.split(b"\r\n") if line.lower().startswith(b"date: ")]
    assert time.mktime(time.strptime(date[6:].decode(), "%a, %d %b %Y %H:%M:%S GMT")) > 0
    assert json.loads(body).keys() == {"error", "message"}
