"""What a process that stops does with its connections: idle ones, requests that have arrived in part, and the rest."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.gateway.http11.echo_app import statuses
from tests.gateway.http11.loopback_app import get, head
from tests.gateway.http11.memory_connection import MemoryConnection, MemoryServer
from tests.gateway.http11.test_protocol_time_limits import App
from tests.gateway.virtual_time import in_virtual_time, now, settle
from wire.waiting import SECOND_LOOK

SHUTDOWN = 1.0
POST = head("Host: test", "Content-Length: 10")


async def shut_down(server: MemoryServer, connection: MemoryConnection) -> tuple[float, list[int]]:
    """After how many seconds the connection has ended, and the statuses of its responses."""
    began = now()
    server.shut_down()
    await connection.ended()
    return round(now() - began, 6), statuses(connection.received)


@in_virtual_time
async def test_an_idle_connection_is_closed_after_a_look_at_what_has_arrived() -> None:
    server = MemoryServer(App())
    connection = server.connect()
    await connection.send(get("/"))
    assert await shut_down(server, connection) == (SECOND_LOOK, [200])


@in_virtual_time
async def test_a_new_connection_has_a_second_for_its_request() -> None:
    """The client may have sent it before the process stopped."""
    server = MemoryServer(App())
    assert await shut_down(server, server.connect()) == (SHUTDOWN + SECOND_LOOK, [])


@in_virtual_time
async def test_a_request_on_a_new_connection_is_answered() -> None:
    server = MemoryServer(App())
    connection = server.connect()
    server.shut_down()
    await asyncio.sleep(SHUTDOWN - 0.1)
    await connection.send(get("/"))
    assert statuses(connection.received) == [200]


@pytest.mark.parametrize("sent", [b"\r\nGET / HT", get("/") + b"GET /"], ids=["first", "second"])
@in_virtual_time
async def test_half_a_head_has_a_second(sent: bytes) -> None:
    server = MemoryServer(App())
    connection = server.connect()
    await connection.send(sent)
    took, found = await shut_down(server, connection)
    assert (took, found[-1]) == (SHUTDOWN + SECOND_LOOK, 408)


@in_virtual_time
async def test_a_request_in_progress_is_answered_and_its_connection_closed() -> None:
    app = App()
    server = MemoryServer(app)
    connection = server.connect()
    await connection.send(get("/held"))
    server.shut_down()
    await asyncio.sleep(60)
    assert not connection.closed
    app.event.set()
    await connection.ended()
    assert statuses(connection.received) == [200]
    assert b"\r\nconnection: close" in connection.received


@in_virtual_time
async def test_a_connection_that_is_being_closed_is_left_alone() -> None:
    """What it has not read yet is not lost."""
    server = MemoryServer(App())
    connection = server.connect()
    connection.reads = False
    await connection.send(get("/1000", "Connection: close"))
    server.shut_down()
    await asyncio.sleep(5)
    await connection.read()
    assert len(connection.received) > 1000


@in_virtual_time
async def test_a_request_with_half_a_body_is_rejected() -> None:
    """503 in the format of its interface, since it has not begun to run. Its connection is closed."""
    server = MemoryServer(App())
    connection = server.connect()
    await connection.send(head("Host: test", "Content-Length: 10", start="POST /graphql HTTP/1.1") + b"12345")
    connection.protocol.reject_incomplete()
    await connection.ended()
    fields, _, body = connection.received.partition(b"\r\n\r\n")
    assert statuses(connection.received) == [503]
    assert b"\r\nretry-after: " in fields.lower()
    assert json.loads(body)["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", []),
        (b"GET / HT", []),
        (get("/held"), []),
        (get("/held") + POST, []),
        (POST + b"0123456789", [200]),
        (head("Host: test", "Content-Length: 10", start="POST /unread HTTP/1.1"), [200]),
    ],
    ids=["nothing", "half a head", "no body", "a request before", "a whole body", "answered"],
)
@in_virtual_time
async def test_nothing_else_is_rejected_for_being_incomplete(sent: bytes, status: list[int]) -> None:
    connection = MemoryServer(App()).connect()
    await connection.send(sent)
    connection.protocol.reject_incomplete()
    await settle()
    assert statuses(connection.received) == status
    assert not connection.closed


@in_virtual_time
async def test_a_request_whose_response_has_begun_is_not_rejected() -> None:
    async def app(_scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await asyncio.sleep(5)
        await send({"type": "http.response.body", "body": b"ok"})  # type: ignore[operator]

    connection = MemoryServer(app).connect()
    await connection.send(POST)
    connection.protocol.reject_incomplete()
    await asyncio.sleep(6)
    assert statuses(connection.received) == [200]
    assert b"ok" in connection.received
