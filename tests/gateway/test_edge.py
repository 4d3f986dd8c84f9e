"""The outermost app: which app a request goes to, headers, the access log, faults, and draining."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

import pytest
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from gateway.edge import Edge
from gateway.health import Health
from gateway.overload.admission import Admission, ConcurrencyLimit
from models.vault import Vault
from resolvers.log_context import LOG_CONTEXT
from rest.json_http import BODY_LIMIT, Response, encode
from tests.gateway.http11.echo_app import statuses
from tests.gateway.http11.loopback_app import get, head
from tests.gateway.http11.memory_connection import MemoryConnection, MemoryServer
from tests.gateway.virtual_time import in_virtual_time, now, settle

SECURE = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}


class App:
    """Answers with its name, the path and its parameters. A path that ends in `held` waits for the event, one in
    `fault` fails. One in `started` fails before the first part of its response's body, one in `late` after it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.event = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "lifespan"})
            return
        if scope["path"].endswith("fault"):
            raise ZeroDivisionError("CANARY")
        if scope["path"].endswith(("started", "late")):
            await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"2")]})
            if scope["path"].endswith("late"):
                await send({"type": "http.response.body", "body": b"a", "more_body": True})
            raise ZeroDivisionError("CANARY")
        if scope["path"].endswith("held"):
            await self.event.wait()
        shown = {"app": self.name, "path": scope["path"], "parameters": scope.get("path_params", {})}
        own = ((b"cache-control", b"public"), (b"x-own", b"1"))
        await Response(200, encode(shown), own)(scope, receive, send)


class Site:
    """An edge with two interfaces, other pages, and two mounts, of which `/sandbox` stands for another system."""

    def __init__(self, starlette: App | None = None) -> None:
        self.starlette = starlette or App("starlette")
        self.health = Health(Vault({"k1": bytes(range(32))}))
        self.background = asyncio.Event()
        self.background.set()
        self.edge = Edge(
            self.starlette,
            Admission(ConcurrencyLimit(2, 2, 0, 1)),
            self.health,
            routes=[
                Route("/v1/things", App("rest"), methods=["GET"]),
                Route("/v1/things", App("post"), methods=["POST", "DELETE"]),
                Route("/v1/things/{id}", App("item"), methods=["PATCH"]),
                Route("/v1/things/mine", App("mine"), methods=["PATCH"]),
                Route("/graphql", App("graphql") if starlette is None else starlette, methods=["POST"]),
                Route("/open", App("open"), methods=["POST"]),
            ],
            authenticated=["/v1/things"],
            paths=["/page"],
            mounts=["/web", "/sandbox"],
            external=["/sandbox"],
            background=self._background,
        )
        self.server = MemoryServer(self.edge)

    async def _background(self) -> None:
        await self.background.wait()

    async def connect(self, sent: bytes) -> MemoryConnection:
        connection = self.server.connect()
        await connection.send(sent)
        return connection

    async def ask(self, method: str, path: str, *lines: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body."""
        connection = await self.connect(head("Host: test", *lines, start=f"{method} {path} HTTP/1.1"))
        return parsed(connection.received)


def parsed(received: bytes) -> tuple[int, dict[str, str], Any]:
    fields, _, body = received.decode().partition("\r\n\r\n")
    first, *lines = fields.split("\r\n")
    headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    assert len(dict(headers)) == len(headers)
    return int(first.split()[1]), dict(headers), json.loads(body)


@pytest.mark.parametrize(
    ("method", "path", "app", "parameters"),
    [
        ("GET", "/v1/things", "rest", {}),
        ("POST", "/v1/things", "post", {}),
        ("PATCH", "/v1/things/7", "item", {"id": "7"}),
        ("PATCH", "/v1/things/mine", "mine", {}),
        ("GET", "/page", "starlette", {}),
        ("GET", "/web/x", "starlette", {}),
        ("GET", "/sandbox/x", "starlette", {}),
        ("GET", "/unknown", "starlette", {}),
    ],
)
@in_virtual_time
async def test_where_a_request_goes(method: str, path: str, app: str, parameters: dict[str, str]) -> None:
    status, _, body = await Site().ask(method, path)
    assert (status, body) == (200, {"app": app, "path": path, "parameters": parameters})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/v1/things", "DELETE, GET, HEAD, POST"), ("GET", "/v1/things/7", "PATCH"), ("GET", "/graphql", "POST")],
)
@in_virtual_time
async def test_other_methods_are_not_allowed(method: str, path: str, allowed: str) -> None:
    status, headers, body = await Site().ask(method, path)
    assert (status, headers["allow"]) == (405, allowed)
    assert ("errors" in body) == (path == "/graphql")


@pytest.mark.parametrize("path", ["/v1/things", "/page", "/web/x", "/sandbox/x", "/livez", "/unknown", "/web/fault"])
@in_virtual_time
async def test_every_response_has_the_same_headers(path: str) -> None:
    """Whatever the app says, and whatever the client sends."""
    site = Site()
    found = [(await site.ask("GET", path, "X-Request-ID: theirs"))[1] for _ in range(2)]
    for headers in found:
        assert {name: headers[name] for name in SECURE} == SECURE
        assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
        assert "connection" not in headers
        assert headers.get("x-own", "1") == "1"
    assert found[0]["x-request-id"] != found[1]["x-request-id"]


@in_virtual_time
async def test_a_request_knows_its_id() -> None:
    """The log, too, while the request runs."""
    seen: list[tuple[str, Mapping[str, str]]] = []

    class Watching(App):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append((scope["state"]["request_id"], LOG_CONTEXT.get()))
            await super().__call__(scope, receive, send)

    site = Site(Watching("watching"))
    _, headers, _ = await site.ask("GET", "/page")
    assert seen == [(headers["x-request-id"], {"request_id": headers["x-request-id"]})]


async def logged(method: str, path: str) -> list[MutableMapping[str, Any]]:
    site = Site()
    with capture_logs() as events:
        await site.connect(head("Host: test", start=f"{method} {path} HTTP/1.1"))
    for event in events:
        if event["event"] == "request":
            # Not a time of some clock.
            assert 0 <= event.pop("ms") < 60_000
    return events


@pytest.mark.parametrize(
    ("path", "name", "level"),
    [
        ("/v1/things?code=CANARY", "/v1/things", "info"),
        ("/page", "/page", "info"),
        ("/web/CANARY", "/web/*", "info"),
        ("/sandbox/CANARY", "/sandbox/*", "info"),
        ("/CANARY", "?", "info"),
        ("/livez", "/livez", "debug"),
    ],
)
@in_virtual_time
async def test_the_access_log(path: str, name: str, level: str) -> None:
    """Clients do not choose what is in it."""
    line = {"event": "request", "log_level": level, "method": "GET", "path": name, "status": 200}
    assert await logged("GET", path) == [line]


@in_virtual_time
async def test_a_path_with_parameters_is_logged_without_them() -> None:
    line = {"event": "request", "log_level": "info", "method": "PATCH", "path": "/v1/things/{id}", "status": 200}
    assert await logged("PATCH", "/v1/things/CANARY") == [line]


@pytest.mark.parametrize("path", ["/v1/fault", "/graphql"])
@in_virtual_time
async def test_a_fault_is_500_in_the_format_of_its_interface(path: str) -> None:
    class Failing(App):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise ZeroDivisionError("CANARY")

    site = Site(Failing("failing"))
    with capture_logs() as events:
        status, _, body = await site.ask("POST", path)
    assert (status, "errors" in body) == (500, path == "/graphql")
    fault, request = events
    assert (fault["event"], fault["log_level"], fault["error"]) == ("fault", "error", "ZeroDivisionError")
    assert (request["event"], request["status"]) == ("request", 500)
    assert "CANARY" not in repr((events, body))


@in_virtual_time
async def test_a_fault_after_the_response_has_begun_adds_no_second_response() -> None:
    site = Site()
    with capture_logs() as events:
        connection = await site.connect(get("/late"))
    assert statuses(connection.received) == [201]
    assert [event["event"] for event in events] == ["fault", "request", "response.incomplete"]
    assert events[1]["status"] == 201


@in_virtual_time
async def test_a_fault_before_anything_of_the_response_is_written() -> None:
    site = Site()
    with capture_logs() as events:
        status, _, body = await site.ask("GET", "/started")
    assert (status, body["error"]) == (500, "internal_error")
    assert [(event["event"], event.get("status")) for event in events] == [("fault", None), ("request", 500)]


@in_virtual_time
async def test_rejected_requests_are_not_in_the_access_log() -> None:
    """Admission logs them itself, many in one line."""
    site = Site()
    held = [await site.connect(get("/held")) for _ in range(2)]
    with capture_logs() as events:
        assert (await site.ask("GET", "/page"))[0] == 503
        assert events == []
        # What is mounted, and health, need no slot.
        assert [(await site.ask("GET", path))[0] for path in ("/web/x", "/sandbox/x", "/livez")] == [200] * 3
    site.starlette.event.set()
    await settle()
    assert [statuses(each.received) for each in held] == [[200]] * 2


@pytest.mark.parametrize(("path", "awaited"), [("/v1/things", False), ("/open", True), ("/page", True)])
@in_virtual_time
async def test_whose_body_is_awaited(path: str, awaited: bool) -> None:
    """Who gets 401 anyway, from an interface that needs a token, need not send it."""
    connection = await Site().connect(head("Host: test", "Content-Length: 5", start=f"POST {path} HTTP/1.1"))
    assert (connection.received == b"") is awaited


@in_virtual_time
async def test_the_lifespan_goes_to_the_app() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any: ...

    await Site().edge({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "lifespan"}]


async def drained(site: Site) -> asyncio.Task[float]:
    """The drain, which has begun, and ends with the seconds that it took."""

    async def drain() -> float:
        began = now()
        await site.edge.drain()
        return round(now() - began, 6)

    task = asyncio.create_task(drain())
    await settle()
    return task


@in_virtual_time
async def test_a_drain_with_nothing_to_do_ends_at_once() -> None:
    assert await (await drained(Site())) == 0


@pytest.mark.parametrize("path", ["/held", "/v1/held", "/web/held"])
@in_virtual_time
async def test_a_drain_waits_for_requests_in_progress(path: str) -> None:
    site = Site()
    held = [await site.connect(get(path)) for _ in range(2)]
    draining = await drained(site)
    await asyncio.sleep(100)
    assert not draining.done()
    site.starlette.event.set()
    assert await draining == 100
    assert [statuses(each.received) for each in held] == [[200]] * 2
    assert all(b"\r\nconnection: close" in each.received for each in held)


@in_virtual_time
async def test_a_drain_does_not_wait_for_another_system() -> None:
    site = Site()
    held = await site.connect(get("/sandbox/held"))
    assert await (await drained(site)) == 0
    # It is served to the end, as are further ones.
    assert (await site.ask("GET", "/sandbox/x"))[0] == 200
    site.starlette.event.set()
    await settle()
    assert statuses(held.received) == [200]


@in_virtual_time
async def test_a_drain_waits_for_what_goes_on_after_its_request() -> None:
    site = Site()
    site.background.clear()
    draining = await drained(site)
    await asyncio.sleep(20)
    assert not draining.done()
    site.background.set()
    assert await draining == 20


@in_virtual_time
async def test_requests_during_a_drain_are_rejected_and_prolong_it() -> None:
    """Until none has come for a second."""
    site = Site()
    held = await site.connect(get("/held"))
    draining = await drained(site)
    for path in ("/v1/things", "/graphql", "/page", "/web/x", "/unknown"):
        status, headers, body = await site.ask("POST", path, "Content-Length: 0")
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        assert ("errors" in body) == (path == "/graphql")
    site.starlette.event.set()
    await settle()
    assert statuses(held.received) == [200]
    await asyncio.sleep(0.9)
    assert not draining.done()
    assert (await site.ask("GET", "/page"))[0] == 503
    assert await draining == pytest.approx(1.9, abs=0.06)


@in_virtual_time
async def test_a_drain_ends_after_ten_seconds_of_further_requests() -> None:
    site = Site()
    draining = await drained(site)
    assert await draining == 0
    assert (await site.ask("GET", "/page"))[0] == 503
    again = await drained(site)
    while not again.done():
        assert (await site.ask("GET", "/page"))[0] == 503
        await asyncio.sleep(0.5)
    assert await again == pytest.approx(10, abs=0.06)


@in_virtual_time
async def test_a_drain_waits_for_the_next_probe() -> None:
    """Of a client that probes regularly: then it knows that this process is not ready."""
    site = Site()
    for _ in range(2):
        assert (await site.ask("GET", "/readyz"))[0] == 503
        await asyncio.sleep(4)
    draining = await drained(site)
    await asyncio.sleep(1)
    assert not draining.done()
    status, _, body = await site.ask("GET", "/readyz")
    assert (status, body) == (503, {"status": "unready", "reasons": ["draining"]})
    assert await draining == pytest.approx(1, abs=0.06)
    assert (await site.ask("GET", "/livez"))[0] == 200


@in_virtual_time
async def test_a_body_that_arrives_during_a_drain_is_read_first() -> None:
    """For a second at most: if the connection were closed while it arrives, the response could be lost."""
    site = Site()
    await drained(site)
    start = head("Host: test", "Content-Length: 5", start="POST /v1/things HTTP/1.1")
    arriving, never = await site.connect(start), await site.connect(start + b"ab")
    await asyncio.sleep(0.5)
    assert (arriving.received, never.received) == (b"", b"")
    await arriving.send(b"abcde")
    assert statuses(arriving.received) == [503]
    await asyncio.sleep(0.49)
    assert never.received == b""
    await asyncio.sleep(0.02)
    assert statuses(never.received) == [503]


@in_virtual_time
async def test_a_long_body_is_not_read_to_its_end_during_a_drain() -> None:
    site = Site()
    await drained(site)
    connection = await site.connect(head("Host: test", f"Content-Length: {10 * BODY_LIMIT}"))
    await connection.send(bytes(BODY_LIMIT))
    assert connection.received == b""
    await connection.send(b"x")
    assert statuses(connection.received) == [503]
