"""How many connections there may be, how many requests may wait on one, and when the server pauses reading from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import closing

import pytest
from starlette.types import Receive, Scope, Send

from gateway.http11.protocol import PIPELINED, BoundedProtocol
from gateway.overload.file_limit import SPARE, connection_limit
from rest.json_http import answer
from tests.gateway.http11.echo_app import statuses
from tests.gateway.http11.loopback_app import get, head, served, until
from tests.gateway.http11.memory_connection import MemoryConnection, MemoryServer, exchange
from tests.gateway.virtual_time import in_virtual_time, now, settle

LAST = get("/", "Connection: close")


class Few(BoundedProtocol):
    connections_allowed = 4


class App:
    """`/held` waits for the event; `/slowed` tells the protocol to pause reading for five seconds."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.ended = 0
        self.event = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.ran.append(scope["path"])
        if scope["path"] == "/held":
            await self.event.wait()
        if scope["path"] == "/slowed":
            scope["state"]["pause_reading"] = 5
        await answer("x" * (20_000_000 if scope["path"] == "/large" else 1))(scope, receive, send)
        self.ended += 1


async def opened(server: MemoryServer, count: int) -> list[MemoryConnection]:
    connections = [server.connect() for _ in range(count)]
    await settle()
    return connections


async def sent(connection: MemoryConnection, data: bytes) -> list[int]:
    await connection.send(data)
    return statuses(connection.received)


@in_virtual_time
async def test_connections_beyond_the_limit_get_503() -> None:
    server = MemoryServer(App(), Few)
    *allowed, first, second = await opened(server, 6)
    assert await sent(first, get("/v1/connections")) == [503]
    fields, _, body = first.received.partition(b"\r\n\r\n")
    assert fields.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 1\r\n" in fields
    assert b"\r\nconnection: close" in fields
    assert b"\r\nx-request-id: " in fields
    assert json.loads(body)["error"] == "service_unavailable"
    assert first.closed
    assert await sent(second, get("/livezz")) == [503]
    assert [await sent(connection, get("/")) for connection in allowed] == [[200]] * 4


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@in_virtual_time
async def test_health_is_answered_beyond_the_limit(path: str) -> None:
    *_, last = await opened(MemoryServer(App(), Few), 5)
    assert await sent(last, get(path)) == [200]


@pytest.mark.parametrize(
    ("target", "accept", "media"),
    [
        ("/graphql", "*/*", "application/json"),
        ("/graphql?query=x", "application/graphql-response+json", "application/graphql-response+json"),
        ("/graphql", "Application/GraphQL-response+JSON", "application/graphql-response+json"),
    ],
)
@in_virtual_time
async def test_graphql_gets_a_graphql_error_beyond_the_limit(target: str, accept: str, media: str) -> None:
    *_, last = await opened(MemoryServer(App(), Few), 5)
    await last.send(get(target, f"Accept: {accept}"))
    fields, _, body = last.received.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: %b; charset=utf-8\r\n" % media.encode() in fields
    assert json.loads(body)["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"


@in_virtual_time
async def test_what_is_no_request_gets_503_beyond_the_limit() -> None:
    for data in (b"x", b"\r\n"):
        *_, last = await opened(MemoryServer(App(), Few), 5)
        assert await sent(last, data) == [503]


@in_virtual_time
async def test_connections_beyond_the_spare_ones_are_dropped() -> None:
    server = MemoryServer(App(), Few)
    *_, spare, dropped = await opened(server, 4 + SPARE + 1)
    assert dropped.closed
    assert dropped.received == b""
    assert await sent(spare, get("/")) == [503]


@in_virtual_time
async def test_when_connections_have_ended_others_are_served() -> None:
    server = MemoryServer(App(), Few)
    first, *_ = await opened(server, 4)
    assert await sent(first, LAST) == [200]
    assert await sent(server.connect(), get("/")) == [200]


@in_virtual_time
async def test_two_thousand_connections_are_served_where_the_system_allows_them() -> None:
    server = MemoryServer(App())
    connections = await opened(server, min(2000, connection_limit()) + 1)
    assert [await sent(each, LAST) for each in connections[:-3:-1]] == [[503], [200]]


@in_virtual_time
async def test_too_many_pipelined_requests() -> None:
    """The first ones are answered, then the connection is closed."""
    app = App()
    connection = MemoryServer(app).connect()
    await connection.send(get("/held") + get("/") * 2000)
    app.event.set()
    received = await connection.ended()
    assert statuses(received) == [200] * (PIPELINED + 1) + [400]
    assert b"Too many requests are waiting on this connection." in received
    assert len(app.ran) == PIPELINED + 1


@in_virtual_time
async def test_as_many_pipelined_requests_as_allowed() -> None:
    assert statuses(await exchange(MemoryServer(App()), get("/") * PIPELINED + LAST)) == [200] * (PIPELINED + 1)


@in_virtual_time
async def test_a_head_that_has_begun_may_end_behind_as_many_requests_as_allowed() -> None:
    app = App()
    connection = MemoryServer(app).connect()
    await connection.send(get("/held") + get("/") * (PIPELINED - 1) + LAST[:5])
    connection.resume_reading()
    await connection.send(LAST[5:])
    app.event.set()
    assert statuses(await connection.ended()) == [200] * (PIPELINED + 1)


@in_virtual_time
async def test_nothing_runs_after_a_malformed_request() -> None:
    app = App()
    connection = MemoryServer(app).connect()
    await connection.send(get("/held") + b"nonsense\r\n\r\n")
    connection.resume_reading()
    await connection.send(get("/"))
    app.event.set()
    assert statuses(await connection.ended()) == [200, 400]
    assert app.ran == ["/held"]


@in_virtual_time
async def test_a_body_that_turns_out_malformed_behind_a_request_in_progress_never_runs() -> None:
    """The responses come in the order of the requests."""
    app = App()
    connection = MemoryServer(app).connect()
    chunked = head("Host: test", "Transfer-Encoding: chunked")
    await connection.send(get("/held") + get("/between") + chunked + b"nonsense\r\n")
    assert connection.received == b""
    app.event.set()
    assert statuses(await connection.ended()) == [200, 200, 400]
    assert app.ran == ["/held", "/between"]


@in_virtual_time
async def test_a_body_that_turns_out_malformed_after_its_response_just_ends_the_connection() -> None:
    connection = MemoryServer(App()).connect()
    await connection.send(head("Host: test", "Transfer-Encoding: chunked") + b"1\r\nx\r\n")
    assert statuses(connection.received) == [200]
    await connection.send(b"nonsense\r\n")
    assert connection.closed
    assert statuses(connection.received) == [200]


@pytest.mark.parametrize(("path", "graphql"), [("/graphql", True), ("/v1/connections", False)])
@in_virtual_time
async def test_a_bad_body_is_rejected_in_the_format_of_its_interface(path: str, graphql: bool) -> None:
    """Whether it is malformed or does not come."""

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive()).get("more_body"):
            pass

    start = head("Host: test", "Transfer-Encoding: chunked", start=f"POST {path} HTTP/1.1")
    for body, status in ((b"nonsense\r\n", 400), (b"1\r\n", 408)):
        connection = MemoryServer(app).connect()
        await connection.send(start + body)
        _, _, content = (await connection.ended()).partition(b"\r\n\r\n")
        assert statuses(connection.received) == [status]
        assert ("errors" in json.loads(content)) is graphql


@in_virtual_time
async def test_reading_pauses_for_as_long_as_the_app_says() -> None:
    connection, began = MemoryServer(App()).connect(), now()
    await connection.send(get("/slowed"))
    assert statuses(connection.received) == [200]
    await connection.send(LAST)
    assert statuses(await connection.ended()) == [200, 200]
    assert now() - began == pytest.approx(5)


@in_virtual_time
async def test_without_a_word_of_the_app_reading_goes_on() -> None:
    connection = MemoryServer(App()).connect()
    await connection.send(get("/"))
    assert connection.is_read
    assert await sent(connection, get("/")) == [200, 200]


@in_virtual_time
async def test_requests_that_were_read_before_a_pause_end_with_their_connection() -> None:
    """A pause would not hold them back."""
    app = App()
    connection = MemoryServer(app).connect()
    await connection.send(get("/slowed") + get("/") * 3)
    assert connection.closed
    assert statuses(connection.received) == [200]
    assert app.ran == ["/slowed"]


class Hasty(BoundedProtocol):
    response_seconds = 0.1


@pytest.fixture
async def app() -> App:
    return App()


@pytest.fixture
async def port(app: App) -> AsyncGenerator[int]:
    async with served(app, Hasty) as port:
        yield port


async def test_a_response_that_is_not_read_from_a_socket(app: App, port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    with closing(writer):
        writer.write(get("/large"))
        await until(lambda: app.ended == 1)
