"""Admission in front of a small app: which requests run, and what happens to the others."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from gateway.overload.admission import Admission, ConcurrencyLimit, concurrency_limit
from rest.json_http import answer
from tests.gateway.http11.echo_app import answers, statuses
from tests.gateway.http11.loopback_app import get, head
from tests.gateway.http11.memory_connection import MemoryConnection, MemoryServer, exchange
from tests.gateway.virtual_time import VirtualTimeLoop, in_virtual_time, now
from wire.waiting import release_slot, waiting

GRAPHQL = "application/graphql-response+json"


class App:
    """Echoes the body. `/held` waits for the event; `/waiting` lets other requests run meanwhile."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.event = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.ran.append(scope["path"])
        if scope["path"] == "/fault":
            raise ZeroDivisionError
        if scope["path"] in ("/held", "/waiting"):
            with waiting() if scope["path"] == "/waiting" else nullcontext():
                await self.event.wait()
        await answer({"body": (await _read(receive)).decode()})(scope, receive, send)


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message: Any = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def limited(app: App, limit: ConcurrencyLimit) -> ASGIApp:
    """Behind admission, except for health checks, as in the gateway."""
    admission = Admission(limit)

    async def edge(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/livez":
            await app(scope, receive, send)
        else:
            await admission.run(app, scope, receive, send)

    return edge


class Limited(MemoryServer):
    """One slot, three requests in progress, and a queue of two requests for half a second; or another limit."""

    def __init__(self, limit: ConcurrencyLimit | None = None) -> None:
        self.app = App()
        super().__init__(limited(self.app, limit or ConcurrencyLimit(1, 3, 2, 0.5)))

    async def request(self, path: str, *lines: str) -> MemoryConnection:
        connection = self.connect()
        await connection.send(get(path, *lines))
        return connection


FULL = {"running": 1, "admitted": 1, "queued": 0, "timeout": 1}


@in_virtual_time
async def test_requests_without_a_slot_are_rejected() -> None:
    """At once because the queue is full, or when they have waited. Health is answered meanwhile."""
    server = Limited()
    held = await server.request("/held")
    first = await server.request("/v1/connections")
    second = await server.request("/v1/connections")
    assert (first.received, second.received) == (b"", b"")
    third = await server.request("/v1/connections")
    assert [statuses(each.received) for each in (first, second, third)] == [[503], [], []]
    await asyncio.sleep(0.499)
    assert (second.received, third.received) == (b"", b"")
    await asyncio.sleep(0.002)
    for rejected in (first, second, third):
        fields, _, body = rejected.received.partition(b"\r\n\r\n")
        assert statuses(fields) == [503]
        assert b"\r\nretry-after: 1" in fields
        assert json.loads(body) == {
            "error": "service_unavailable",
            "message": "The service is overloaded. Try again shortly.",
        }
    assert statuses((await server.request("/livez")).received) == [200]
    assert server.app.ran == ["/held", "/livez"]
    server.app.event.set()
    assert statuses((await server.request("/v1/connections")).received) == [200]
    assert statuses(held.received) == [200]


@pytest.mark.parametrize(
    ("accept", "media"), [(GRAPHQL, GRAPHQL), ("application/json", "application/json"), ("text/x", "application/json")]
)
@in_virtual_time
async def test_graphql_gets_a_graphql_error(accept: str, media: str) -> None:
    server = Limited(ConcurrencyLimit(**FULL))
    await server.request("/held")
    rejected = await server.request("/graphql", f"Accept: {accept}")
    fields, _, body = rejected.received.partition(b"\r\n\r\n")
    assert statuses(fields) == [503]
    assert b"\r\nretry-after: 1" in fields
    assert b"\r\ncontent-type: %b; charset=utf-8" % media.encode() in fields
    assert [error["extensions"] for error in json.loads(body)["errors"]] == [
        {"code": "SERVICE_UNAVAILABLE", "retryAfter": 1}
    ]


@in_virtual_time
async def test_a_request_whose_client_left_the_queue_does_not_run() -> None:
    server = Limited()
    await server.request("/held")
    left = await server.request("/left")
    stayed = await server.request("/stayed")
    await left.leave()
    server.app.event.set()
    await asyncio.sleep(0)
    assert statuses((await server.request("/next")).received) == [200]
    assert statuses(stayed.received) == [200]
    assert server.app.ran == ["/held", "/stayed", "/next"]


@in_virtual_time
async def test_a_request_that_waits_for_another_system_holds_up_nobody() -> None:
    """Two of three admitted requests wait, so the slot is free for the third. A fourth is not admitted."""
    server = Limited(ConcurrencyLimit(1, 3, 0, 1))
    waiting_requests = [await server.request("/waiting") for _ in range(2)]
    assert statuses((await server.request("/quick")).received) == [200]
    waiting_requests.append(await server.request("/waiting"))
    assert server.app.ran.count("/waiting") == 3
    assert statuses((await server.request("/quick")).received) == [503]
    server.app.event.set()
    assert statuses((await server.request("/quick")).received) == [200]
    assert [statuses(each.received) for each in waiting_requests] == [[200]] * 3


@in_virtual_time
async def test_a_fault_of_the_app_costs_no_slot() -> None:
    admission = Admission(ConcurrencyLimit(**FULL))
    app = App()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None: ...

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await admission.run(app, {"type": "http", "path": "/fault", "headers": []}, receive, send)
    # Nor is anything left behind for what runs next in the same task.
    assert release_slot.get() is nullcontext


@in_virtual_time
async def test_pipelined_requests_after_a_rejected_one_close_the_connection() -> None:
    server = Limited(ConcurrencyLimit(**FULL))
    await server.request("/held")
    assert statuses(await exchange(server, get("/") * 5)) == [503]
    assert server.app.ran == ["/held"]


@in_virtual_time
async def test_clients_that_retry_without_a_pause_are_slowed_down() -> None:
    """Connections that ignore Retry-After get a thousand rejections a second together, and health is answered in
    between."""
    server = Limited(ConcurrencyLimit(**FULL))
    await server.request("/held")
    end, rejected = now() + 1, 0
    connections = [server.connect() for _ in range(20)]

    async def hammer(connection: MemoryConnection) -> None:
        nonlocal rejected
        while now() < end:
            connection.send_only(get("/"))
            response = await connection.response()
            rejected += response.startswith(b"HTTP/1.1 503 ")

    hammering = asyncio.gather(*(hammer(connection) for connection in connections))
    await asyncio.sleep(0.5)
    assert statuses((await server.request("/livez")).received) == [200]
    await hammering
    # The first of each connection is rejected before a pause, and the last after the end.
    assert 1000 <= rejected <= 1000 + 2 * len(connections)


@in_virtual_time
async def test_the_longest_pause_is_half_a_second() -> None:
    """However many are rejected at the same moment. After a time without rejections, pauses are short again."""
    server = Limited(ConcurrencyLimit(**FULL))
    await server.request("/held")

    async def pause() -> float:
        """The seconds until the next request on this connection is answered."""
        connection = await server.request("/")
        began = now()
        connection.send_only(get("/livez"))
        assert statuses(await connection.response()) == [200]
        return now() - began

    for _ in range(1000):
        await server.request("/")
    assert await pause() == pytest.approx(0.5)
    await asyncio.sleep(1)
    assert await pause() == pytest.approx(0.001)


@in_virtual_time
async def test_rejections_are_logged_once_a_spell() -> None:
    """One line for all of a second, with their number; none when nothing was rejected."""
    server = Limited(ConcurrencyLimit(**FULL))
    await server.request("/held")
    with capture_logs() as logged:
        for _ in range(3):
            await server.request("/")
            await asyncio.sleep(0.3)
        assert logged == []
        await asyncio.sleep(0.2)
        assert logged == [{"event": "overloaded", "log_level": "warning", "refused": 3}]
        await asyncio.sleep(10)
        assert len(logged) == 1
        for _ in range(2):
            await server.request("/")
        await asyncio.sleep(0.9)
        assert len(logged) == 1
        await asyncio.sleep(0.2)
        assert logged[1:] == [{"event": "overloaded", "log_level": "warning", "refused": 2}]


@in_virtual_time
async def test_the_limits_of_a_process() -> None:
    """As many run as it is told; 250 are in progress with those that wait for a provider; 200 more wait in the queue
    for a second."""
    server = Limited(concurrency_limit(3))
    waiting_requests = [await server.request("/waiting") for _ in range(247)]
    held = [await server.request("/held") for _ in range(3)]
    assert len(server.app.ran) == 250
    queued = [await server.request("/") for _ in range(200)]
    assert {each.received for each in queued} == {b""}
    await server.request("/")
    assert statuses(queued[0].received) == [503]
    assert {each.received for each in queued[1:]} == {b""}
    await asyncio.sleep(0.999)
    assert {each.received for each in queued[1:]} == {b""}
    await asyncio.sleep(0.002)
    assert [statuses(each.received) for each in queued] == [[503]] * 200
    server.app.event.set()
    await asyncio.sleep(1)
    assert [statuses(each.received) for each in waiting_requests + held] == [[200]] * 250


@in_virtual_time
async def test_as_many_are_admitted_as_may_run() -> None:
    server = Limited(concurrency_limit(251))
    for _ in range(252):
        await server.request("/held")
    assert len(server.app.ran) == 251


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text("ab{}\n", min_size=1, max_size=2000), max_size=5))
def test_a_body_arrives_as_it_was_sent(parts: list[str]) -> None:
    chunks = [b"%x\r\n%s\r\n" % (len(part), part.encode()) for part in parts]
    start = head("Host: test", "Connection: close", "Transfer-Encoding: chunked")
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        [said] = answers(runner.run(exchange(Limited(), start, *chunks, b"0\r\n\r\n")))
    assert said == {"body": "".join(parts)}
