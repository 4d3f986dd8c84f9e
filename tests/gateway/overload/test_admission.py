"""Admission in front of a small app, over real connections: which requests run, and what happens to the others."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.overload.admission import Admission, ConcurrencyLimit
from rest.json_http import BODY_LIMIT, answer
from tests.gateway.http11.loopback_app import exchange, get, lines, served, until
from wire.waiting import waiting

GRAPHQL = "application/graphql-response+json"


class App:
    """Echoes the body. `/held` waits for the event; `/waiting` lets other requests run meanwhile."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.event = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.ran.append(scope["path"])
        if scope["path"] == "/held":
            await self.event.wait()
        if scope["path"] == "/waiting":
            with waiting():
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


@pytest.fixture
async def app() -> App:
    return App()


@pytest.fixture
async def port(app: App) -> AsyncGenerator[int]:
    """One slot, and a queue of two requests for half a second."""
    async with served(limited(app, ConcurrencyLimit(1, 3, 2, 0.5))) as port:
        yield port
        app.event.set()


async def test_requests_without_a_slot_are_rejected(client: httpx.AsyncClient, app: App, port: int) -> None:
    """Two time out in the queue, one is rejected at once because the queue is full. Health is answered meanwhile."""
    origin = f"http://127.0.0.1:{port}"
    held = asyncio.create_task(client.get(f"{origin}/held"))
    await until(lambda: app.ran == ["/held"])
    refused = await asyncio.gather(*(client.get(f"{origin}/v1/connections") for _ in range(3)))
    for response in refused:
        assert response.status_code == 503
        assert response.json().keys() == {"error", "message"}
        assert response.json()["error"] == "service_unavailable"
        assert response.headers["retry-after"] == "1"
    assert (await client.get(f"{origin}/livez")).status_code == 200
    assert app.ran == ["/held", "/livez"]
    app.event.set()
    assert (await held).status_code == 200
    assert (await client.get(f"{origin}/v1/connections")).status_code == 200


@pytest.mark.parametrize(
    ("accept", "media"), [(GRAPHQL, GRAPHQL), ("application/json", "application/json"), ("text/x", "application/json")]
)
async def test_graphql_gets_a_graphql_error(
    client: httpx.AsyncClient, app: App, port: int, accept: str, media: str
) -> None:
    held = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/held"))
    await until(lambda: bool(app.ran))
    response = await client.post(
        f"http://127.0.0.1:{port}/graphql", json={"query": "{providers{slug}}"}, headers={"Accept": accept}
    )
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.headers["content-type"] == f"{media}; charset=utf-8"
    assert [error["extensions"] for error in response.json()["errors"]] == [
        {"code": "SERVICE_UNAVAILABLE", "retryAfter": 1}
    ]
    app.event.set()
    await held


async def test_a_request_whose_client_left_the_queue_does_not_run(
    client: httpx.AsyncClient, app: App, port: int
) -> None:
    held = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/held"))
    await until(lambda: bool(app.ran))
    async with lines(port, 1) as [(_, leaving)]:
        leaving.write(get("/left"))
        await leaving.drain()
        await asyncio.sleep(0.1)
        leaving.close()
        await leaving.wait_closed()
    staying = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/stayed"))
    await asyncio.sleep(0.05)
    app.event.set()
    assert (await staying).status_code == 200
    assert (await held).status_code == 200
    assert app.ran == ["/held", "/stayed"]


async def test_a_request_that_waits_for_another_system_holds_up_nobody(
    client: httpx.AsyncClient, app: App, port: int
) -> None:
    """Two of three admitted requests wait, so the slot is free for the third. A fourth is not admitted."""
    origin = f"http://127.0.0.1:{port}"
    waiting_requests = [asyncio.create_task(client.get(f"{origin}/waiting")) for _ in range(2)]
    await until(lambda: app.ran == ["/waiting"] * 2)
    assert (await client.get(f"{origin}/quick")).status_code == 200
    waiting_requests.append(asyncio.create_task(client.get(f"{origin}/waiting")))
    await until(lambda: app.ran.count("/waiting") == 3)
    assert (await client.get(f"{origin}/quick")).status_code == 503
    app.event.set()
    assert [(await task).status_code for task in waiting_requests] == [200] * 3


async def test_a_slow_body_holds_up_nobody(client: httpx.AsyncClient, app: App, port: int) -> None:
    async with lines(port, 10) as slow:
        for _, writer in slow:
            writer.write(b"POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nab")
        await asyncio.sleep(0.1)
        assert (await client.get(f"http://127.0.0.1:{port}/quick")).status_code == 200
        assert app.ran == ["/quick"]
        reader, writer = slow[0]
        writer.write(b"cd")
        assert (await reader.readuntil(b'{"body":"abcd"}')).startswith(b"HTTP/1.1 200")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("ab{}\n", min_size=1, max_size=2000), max_size=5))
async def test_a_body_arrives_as_it_was_sent(port: int, parts: list[str]) -> None:
    chunks = [b"%x\r\n%s\r\n" % (len(part), part.encode()) for part in parts]
    head = b"POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = await exchange(port, head, *chunks, b"0\r\n\r\n")
    assert json.loads(whole.partition(b"\r\n\r\n")[2]) == {"body": "".join(parts)}


async def test_pipelined_requests_after_a_rejected_one_close_the_connection(app: App) -> None:
    async with served(limited(app, ConcurrencyLimit(1, 1, 0, 1))) as port, lines(port, 1) as [(_, holding)]:
        holding.write(get("/held"))
        await until(lambda: bool(app.ran))
        assert (await exchange(port, get("/") * 5)).count(b"HTTP/1.1 503 ") == 1
        assert app.ran == ["/held"]
        app.event.set()


async def test_clients_that_retry_without_a_pause_are_slowed_down(app: App) -> None:
    """A hundred connections that ignore Retry-After get no more than a thousand refusals a second together, and
    health is answered in between."""
    async with served(limited(app, ConcurrencyLimit(1, 1, 0, 1))) as port, lines(port, 101) as opened:
        (_, holding), *others = opened
        holding.write(get("/held"))
        await until(lambda: bool(app.ran))
        began, refused = time.monotonic(), 0

        async def hammer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal refused
            while time.monotonic() - began < 1:
                writer.write(get("/"))
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                refused += head.startswith(b"HTTP/1.1 503 ")

        await asyncio.gather(*(hammer(*line) for line in others))
        assert (await exchange(port, get("/livez", "Connection: close"))).startswith(b"HTTP/1.1 200 ")
        # A thousand a second, and the last of each connection.
        assert 100 <= refused < 1000 * (time.monotonic() - began) + 200
        app.event.set()


async def test_a_body_that_is_too_long_is_not_kept(port: int) -> None:
    body = b"x" * 200_000
    whole = await exchange(
        port,
        b"POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
    )
    assert BODY_LIMIT < len(json.loads(whole.partition(b"\r\n\r\n")[2])["body"]) <= 200_000
