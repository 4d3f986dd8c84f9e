"""Draining: requests in progress are finished, new ones are rejected."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from typing import Any

import httpx
import pytest

from tests.conftest import REDIRECT_URI, Exchanges, Person, begin
from tests.interfaces import GraphQL, Rest, bearer
from tests.processes import Process
from tests.sandbox_control import Sandbox
from tests.serving.conftest import Serve
from tests.serving.serving import Lines, draining, get, is_gone, readiness, refuses, request, serving, workers
from tests.waiting import until

ONE_OR_SEVERAL = pytest.mark.parametrize("count", [1, 3], ids=["one", "workers"])
GRAPHQL_JSON = "application/graphql-response+json"


async def stopping(process: Process, count: int) -> None:
    await serving(process, count)
    process.tell(signal.SIGTERM)
    await draining(process, count)


def assert_nothing_left(process: Process) -> None:
    assert [pid for pid in workers(process) if not is_gone(pid)] == []
    assert refuses(process.port)


@ONE_OR_SEVERAL
async def test_requests_in_progress_finish_and_new_ones_are_rejected(
    serve: Serve, exchanges: Exchanges, client: httpx.AsyncClient, someone: Person, count: int
) -> None:
    process = serve(count)
    begun = [
        await exchanges.begin(process, Person(f"{someone.id}-{kind.name}"), kind)  # one after the other
        for kind in (Rest, GraphQL)
    ]
    await stopping(process, count)

    for kind in (Rest, GraphQL):
        api = kind(client, process.origin)
        refused = await api.authorize(someone.token, provider="sandbox", redirectUri=REDIRECT_URI)
        assert (refused.status, refused.code) == (503, "SERVICE_UNAVAILABLE")
        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("1", "close")
    assert await readiness(process.origin) == (503, ["draining"])
    assert (await get(process.origin, "/livez")).status_code == 200
    assert not any(task.done() for task in begun)

    exchanges.end()
    assert await asyncio.gather(*begun) == ["connected", "connected"]
    assert process.wait() == 0
    assert_nothing_left(process)


FORMS = [
    ("POST", "/graphql", GRAPHQL_JSON, f"{GRAPHQL_JSON}; charset=utf-8"),
    ("POST", "/graphql", "application/json", "application/json; charset=utf-8"),
    ("GET", "/graphql", "text/html", "application/json; charset=utf-8"),
    ("GET", "/v1/connections?userId=x", "*/*", "application/json"),
    ("GET", "/", "text/html", "application/json"),
]


async def test_each_interface_gets_errors_in_its_format(serve: Serve, exchanges: Exchanges, someone: Person) -> None:
    process = serve()
    begun = await exchanges.begin(process, someone)
    await stopping(process, 1)
    async with httpx.AsyncClient(trust_env=False) as client:
        for method, path, accept, media in FORMS:
            headers = {"Accept": accept, "Content-Type": "application/json"}
            content = b'{"query": "{ providers { slug } }"}' if method == "POST" else None
            response = await client.request(method, process.origin + path, headers=headers, content=content)
            assert (response.status_code, response.headers["content-type"]) == (503, media)
            assert response.headers["retry-after"] == "1"
            _assert_unavailable(path, response.json())
    exchanges.end()
    assert await begun == "connected"
    assert process.wait() == 0


def _assert_unavailable(path: str, body: dict[str, Any]) -> None:
    if path == "/graphql":
        assert body["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE", "retryAfter": 1}
        return
    assert body.keys() == {"error", "message"}
    assert body["error"] == "service_unavailable"


async def test_a_kept_connection_gets_503_and_is_closed(
    serve: Serve, exchanges: Exchanges, someone: Person, lines: Lines
) -> None:
    process = serve()
    kept = await lines.to(process)
    await kept.send(request("GET", "/openapi.json"))
    assert (await kept.answer())[0] == 200
    begun = await exchanges.begin(process, someone)
    await stopping(process, 1)
    # The head and a large body separately, as most clients send them.
    body = b'{"query": "{ providers { slug } }"}' + b" " * 60_000
    asked = request("POST", "/graphql", body)
    await kept.send(asked[: -len(body)])
    await asyncio.sleep(0.05)
    await kept.send(body)
    status, headers, _ = await kept.answer()
    assert (status, headers["connection"]) == (503, "close")
    assert await kept.ended()
    exchanges.end()
    assert await begun == "connected"
    assert process.wait() == 0


async def test_silent_connections_do_not_delay_the_stop(serve: Serve, lines: Lines) -> None:
    process = serve()
    half, served, silent = [await lines.to(process) for _ in range(3)]
    await half.send(b"GET /livez HTTP/1.1\r\nHost: ten")
    await served.send(request("GET", "/livez"))
    assert (await served.answer())[0] == 200
    began = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - began < 20
    assert (await half.answer())[0] == 408
    for line in (half, served, silent):
        assert await line.ended()
    assert_nothing_left(process)


async def test_an_exchange_is_finished_after_its_client_disconnected(
    serve: Serve, exchanges: Exchanges, sandbox: Sandbox, client: httpx.AsyncClient, someone: Person
) -> None:
    process = serve()
    api = Rest(client, process.origin)
    callback = await begin(api, sandbox, someone)
    exchanges.hold()
    leaving = asyncio.create_task(api.complete(someone.token, **callback))
    await sandbox.asked(callback["code"])
    leaving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leaving
    await stopping(process, 1)
    assert await readiness(process.origin) == (503, ["draining"])
    exchanges.end()
    assert await asyncio.to_thread(process.wait) == 0

    again = Rest(client, serve().origin)
    assert (await again.complete(someone.token, **callback)).connection["status"] == "connected"
    assert len(await sandbox.exchanges(callback["code"])) == 1


async def test_a_body_that_is_arriving_is_read_and_the_mounted_sandbox_still_answers(
    serve: Serve, someone: Person, lines: Lines
) -> None:
    """The request begins before the stop; its exchange goes to the same process, after it."""
    process = serve(TENDON_SANDBOX="1", TENDON_CATALOGUE="")
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        sandbox = Sandbox(client, f"{process.origin}/sandbox")
        callback = await begin(Rest(client, process.origin), sandbox, someone)
    body = json.dumps(callback).encode()
    line = await lines.to(process)
    asked = request("POST", "/v1/connections/callback", body, **bearer(someone.token))
    await line.send(asked[: -len(body)])
    await until(lambda: httpx.get(f"{process.origin}/livez", trust_env=False).status_code == 200, "alive")
    await stopping(process, 1)
    await line.send(body)
    status, headers, _ = await line.answer()
    assert (status, headers["connection"]) == (201, "close")
    assert process.wait() == 0


@ONE_OR_SEVERAL
async def test_a_second_signal_ends_the_process_at_once(
    serve: Serve, exchanges: Exchanges, someone: Person, count: int
) -> None:
    process = serve(count)
    begun = await exchanges.begin(process, someone)
    await stopping(process, count)
    began = time.monotonic()
    assert process.stop() == 1
    assert time.monotonic() - began < 15
    with pytest.raises(httpx.TransportError):
        await begun
    assert_nothing_left(process)


async def test_workers_that_get_the_signal_themselves_drain_too(
    serve: Serve, exchanges: Exchanges, someone: Person
) -> None:
    """A terminal's Ctrl-C and a service manager's stop reach every process, including the parent."""
    process = serve(2)
    await serving(process, 2)
    begun = await exchanges.begin(process, someone)
    for pid in workers(process):
        os.kill(pid, signal.SIGINT)
    await stopping(process, 2)
    for pid in workers(process):
        os.kill(pid, signal.SIGTERM)
    exchanges.end()
    assert await begun == "connected"
    assert process.wait() == 0
    assert len(process.logged("worker.started")) == 2


@pytest.mark.parametrize(("count", "moment"), [(1, "started"), (3, "worker.started"), (3, "started")])
async def test_a_stop_during_the_start(serve: Serve, count: int, moment: str) -> None:
    process = serve(count, awaited=False)
    await until(lambda: bool(process.logged(moment)), moment)
    assert process.stop() == 0
    assert_nothing_left(process)


@pytest.mark.parametrize("seconds", [0.05, 0.6])
async def test_a_stop_right_after_the_start(serve: Serve, seconds: float) -> None:
    process = serve(2, awaited=False, fresh=True)
    await asyncio.sleep(seconds)
    # While Python itself starts, the signal is not handled yet.
    assert process.stop() in (0, -signal.SIGTERM)
    assert_nothing_left(process)
