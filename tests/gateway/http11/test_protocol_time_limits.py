"""How long a client may take for a head, a body, an idle connection and a response, to the exact second."""

from __future__ import annotations

import asyncio
import json

import pytest
import structlog
from starlette.types import Receive, Scope, Send

from rest.json_http import answer
from tests.gateway.http11.echo_app import statuses
from tests.gateway.http11.loopback_app import get, head
from tests.gateway.http11.memory_connection import HIGH_WATER, MemoryConnection, MemoryServer
from tests.gateway.virtual_time import in_virtual_time, now
from wire.waiting import SECOND_LOOK

HEAD, BODY, RESPONSE, KEEP_ALIVE = 10.0, 30.0, 30.0, 75.0
POST = head("Host: test", "Content-Length: 10")
# Bytes of a response that fit into the buffer, and more than fit.
SMALL, LARGE = HIGH_WATER // 2, 20 * HIGH_WATER


class App:
    """Answers with the length of the body, or with a response of the size in the path; `/held` after the event, and
    `/unread` without reading the body."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.event = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.ran.append(scope["path"])
        if scope["path"] == "/held":
            await self.event.wait()
        if scope["path"] == "/unread":
            await answer(0)(scope, receive, send)
            return
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        wanted = scope["path"].removeprefix("/")
        await answer("x" * int(wanted) if wanted.isdigit() else size)(scope, receive, send)


async def closed_after(connection: MemoryConnection, begun: float) -> float:
    """The seconds from `begun` to the end of the connection, without the second look at its socket."""
    await connection.ended()
    return round(now() - begun - SECOND_LOOK, 6)


@pytest.mark.parametrize(
    ("sent", "limit"),
    [(b"", HEAD), (b"\r\n", HEAD), (b"GET / HT", HEAD), (get("/")[:-2], HEAD), (POST, BODY), (POST + b"12345", BODY)],
    ids=["nothing", "a blank line", "half a line", "half a head", "no body", "half a body"],
)
@in_virtual_time
async def test_a_request_that_takes_too_long_is_408(sent: bytes, limit: float) -> None:
    connection, began = MemoryServer(App()).connect(), now()
    if sent:
        await connection.send(sent)
    assert await closed_after(connection, began) == limit
    assert statuses(connection.received) == [408]
    fields, _, body = connection.received.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in fields
    assert json.loads(body)["error"] == "request_timeout"


@in_virtual_time
async def test_a_head_that_keeps_arriving_gets_no_more_time() -> None:
    connection, began = MemoryServer(App()).connect(), now()
    for at in range(3):
        await asyncio.sleep(3)
        await connection.send(get("/")[at : at + 1])
    assert await closed_after(connection, began) == HEAD


@in_virtual_time
async def test_a_body_that_keeps_arriving_gets_no_more_time() -> None:
    """Its time begins with the end of its head."""
    connection = MemoryServer(App()).connect()
    await asyncio.sleep(9)
    await connection.send(POST)
    began = now()
    for _ in range(9):
        await asyncio.sleep(3)
        await connection.send(b"x")
    assert await closed_after(connection, began) == BODY


@in_virtual_time
async def test_a_head_and_a_body_within_their_limits_are_answered() -> None:
    connection = MemoryServer(App()).connect()
    await asyncio.sleep(HEAD - 0.1)
    await connection.send(POST)
    await asyncio.sleep(BODY - 0.1)
    await connection.send(b"0123456789")
    assert statuses(connection.received) == [200]


@in_virtual_time
async def test_the_time_of_a_later_head_begins_with_its_first_byte() -> None:
    connection = MemoryServer(App()).connect()
    await connection.send(get("/"))
    await asyncio.sleep(60)
    began = now()
    await connection.send(b"GET / HTTP/1.1\r\n")
    # Neither does the end of the idle time close the connection before.
    assert await closed_after(connection, began) == HEAD
    assert statuses(connection.received) == [200, 408]


@in_virtual_time
async def test_a_head_that_follows_a_request_at_once_has_its_time() -> None:
    connection = MemoryServer(App()).connect()
    await asyncio.sleep(5)
    began = now()
    await connection.send(get("/") + b"GET / HTTP/1.1\r\n")
    assert await closed_after(connection, began) == HEAD
    assert statuses(connection.received) == [200, 408]


@in_virtual_time
async def test_an_idle_connection_is_closed_without_a_response() -> None:
    connection, began = MemoryServer(App(), keep_alive=int(KEEP_ALIVE)).connect(), now()
    await connection.send(get("/"))
    assert await closed_after(connection, began) == KEEP_ALIVE
    assert statuses(connection.received) == [200]


@in_virtual_time
async def test_an_app_may_take_longer_than_a_client() -> None:
    """Whatever arrives meanwhile: an empty line, or half of the next head, which waits for its turn."""
    app = App()
    connection = MemoryServer(app).connect()
    await connection.send(get("/held"))
    await connection.send(b"\r\n")
    await asyncio.sleep(100)
    assert connection.received == b""
    app.event.set()
    await connection.send(get("/", "Connection: close"))
    assert statuses(await connection.ended()) == [200, 200]


@in_virtual_time
async def test_half_a_head_after_a_request_in_progress_is_rejected_when_that_has_ended() -> None:
    app = App()
    connection = MemoryServer(app).connect()
    await connection.send(get("/held") + b"GET / HTTP/1.1\r\n")
    await asyncio.sleep(HEAD + 1)
    assert connection.received == b""
    app.event.set()
    assert statuses(await connection.ended()) == [200, 408]
    assert app.ran == ["/held"]


@in_virtual_time
async def test_a_body_behind_a_request_in_progress_has_its_time_when_its_turn_comes() -> None:
    """The server reads nothing more before that."""
    app = App()
    connection = MemoryServer(app).connect()
    await connection.send(get("/held") + POST)
    await asyncio.sleep(4 * BODY)
    app.event.set()
    await connection.send(b"0123456789")
    assert statuses(connection.received) == [200, 200]
    assert app.ran == ["/held", "/"]


@in_virtual_time
async def test_half_a_body_whose_request_was_answered_just_ends_the_connection() -> None:
    connection = MemoryServer(App()).connect()
    await connection.send(head("Host: test", "Content-Length: 10", start="POST /unread HTTP/1.1"))
    assert statuses(await connection.ended()) == [200]


@in_virtual_time
async def test_a_server_that_does_not_read_blames_nobody() -> None:
    """A body beyond what the server buffers waits until the app asks for it."""
    app = App()
    connection = MemoryServer(app).connect()
    await connection.send(head("Host: test", f"Content-Length: {LARGE}", start="POST /held HTTP/1.1"))
    await connection.send(bytes(LARGE - 1))
    assert not connection.is_read
    await asyncio.sleep(4 * BODY)
    app.event.set()
    await connection.send(b"x")
    assert statuses(connection.received) == [200]


@in_virtual_time
async def test_a_body_still_has_a_limit_when_the_server_reads_again() -> None:
    app = App()
    connection, began = MemoryServer(app).connect(), now()
    await connection.send(head("Host: test", f"Content-Length: {LARGE}", start="POST /held HTTP/1.1"))
    await connection.send(bytes(LARGE - 1))
    await asyncio.sleep(BODY + 1)
    app.event.set()
    assert await closed_after(connection, began) == pytest.approx(2 * BODY + SECOND_LOOK)
    assert statuses(connection.received) == [408]


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("close", [True, False], ids=["to be closed", "to be kept"])
@in_virtual_time
async def test_a_response_that_is_not_read(size: int, close: bool) -> None:
    """A large one pauses writing at once. The end of the idle time closes a connection whose small one is unread."""
    connection = MemoryServer(App(), keep_alive=5).connect()
    connection.reads = False
    began = now()
    await connection.send(get(f"/{size}", *(["Connection: close"] if close else [])))
    took = await closed_after(connection, began)
    # An idle connection has its own time first, and its own second look.
    assert took == RESPONSE if size == LARGE or close else took == pytest.approx(5 + RESPONSE + SECOND_LOOK)
    assert connection.received == b""


@in_virtual_time
async def test_a_response_that_is_read_late_is_whole() -> None:
    connection = MemoryServer(App()).connect()
    connection.reads = False
    await connection.send(get(f"/{LARGE}"))
    await asyncio.sleep(RESPONSE - 0.1)
    await connection.read()
    assert len(connection.received) > LARGE
    # And the connection can be used again.
    await asyncio.sleep(RESPONSE + 1)
    await connection.send(get("/"))
    assert statuses(connection.received) == [200, 200]


@in_virtual_time
async def test_an_error_that_is_not_read_does_not_hold_its_connection() -> None:
    connection = MemoryServer(App()).connect()
    connection.reads = False
    began = now()
    await connection.send(b"nonsense\r\n\r\n")
    assert await closed_after(connection, began) == RESPONSE


@pytest.mark.parametrize("sent", [b"", b"GET / HT", POST], ids=["nothing", "half a head", "half a body"])
@in_virtual_time
async def test_a_client_that_has_left_misses_no_limit(sent: bytes) -> None:
    connection = MemoryServer(App()).connect()
    await connection.send(sent)
    with structlog.testing.capture_logs() as logged:
        await connection.leave()
        await asyncio.sleep(2 * BODY)
    assert logged == []


@in_virtual_time
async def test_a_missed_limit_is_logged() -> None:
    connection = MemoryServer(App()).connect()
    with structlog.testing.capture_logs() as logged:
        await connection.ended()
    assert logged == [
        {"event": "request.unreadable", "log_level": "info", "reason": "The request took too long to arrive."}
    ]
