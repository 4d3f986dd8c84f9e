"""How the authorization server is asked: what a deadline may cost, and what the client never does by itself."""

from __future__ import annotations

import asyncio

import pytest

from gateway.bearer import open_client
from gateway.bearer.endpoint import MAX_CONNECTIONS, Endpoint, NoAnswerError
from tests.gateway.bearer.authorization_server import AuthorizationServer, Reply, Request, answer
from wire.http.client import Client, request


async def test_deadlines_cost_no_connection(server: AuthorizationServer) -> None:
    """Deadlines that fall into any moment of a call, closing included, leave the pool as it was."""
    async with open_client() as client:
        asking = request("GET", server.url("/"))

        async def hurried(seconds: float) -> None:
            with pytest.raises(NoAnswerError):
                await Endpoint(client, limit=1000, seconds=seconds).ask(asking)

        server.always(Reply(b"x" * 2000))
        for number in range(50):
            await asyncio.gather(
                *(hurried((number + part / MAX_CONNECTIONS) * 0.0004) for part in range(MAX_CONNECTIONS))
            )
        server.requests.clear()
        held = asyncio.Event()

        def answer_when_all_are_here(_: Request) -> Reply:
            if len(server.requests) == MAX_CONNECTIONS:
                held.set()
            return answer({}, held=held)

        # As many as the client has connections: if one were lost, the last request would never come.
        server.reply = answer_when_all_are_here
        patient = Endpoint(client, limit=1000, seconds=30)
        assert await asyncio.gather(*(patient.ask(asking) for _ in range(MAX_CONNECTIONS))) == [{}] * MAX_CONNECTIONS


async def test_few_at_once(server: AuthorizationServer) -> None:
    """Callers beyond MAX_CONNECTIONS wait for their turn, within their own deadline, and get it."""
    held, full = asyncio.Event(), asyncio.Event()

    def hold(_: Request) -> Reply:
        if len(server.requests) == MAX_CONNECTIONS:
            full.set()
        return answer({}, held=held)

    server.reply = hold
    async with open_client() as client:
        endpoint = Endpoint(client, limit=1000, seconds=30)
        asking = request("GET", server.url("/"))
        calls = [asyncio.create_task(endpoint.ask(asking)) for _ in range(30)]
        await full.wait()
        # A request more would come now.
        await asyncio.sleep(0.05)
        assert len(server.requests) == MAX_CONNECTIONS
        held.set()
        assert await asyncio.gather(*calls) == [{}] * 30


async def test_the_environment_has_no_say(server: AuthorizationServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.always(answer({}))
    async with open_client() as client:
        endpoint = Endpoint(client, limit=1000, seconds=30)
        assert await endpoint.ask(request("GET", server.url("/"))) == {}
    assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_cookies_are_not_kept(server: AuthorizationServer) -> None:
    server.always(Reply(headers={"Set-Cookie": "route=1; Path=/"}))
    async with open_client() as client:
        for _ in range(2):
            await Endpoint(client, limit=1000, seconds=30).ask(request("GET", server.url("/")))
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


async def test_a_closed_client_is_no_answer(server: AuthorizationServer, client: Client) -> None:
    asking = request("GET", server.url("/"))
    closed = open_client()
    await closed.aclose()
    with pytest.raises(NoAnswerError):
        await Endpoint(closed, limit=1000, seconds=30).ask(asking)
    assert server.requests == []


@pytest.mark.parametrize(("length", "read"), [(1000, True), (1001, False)])
async def test_the_longest_answer(server: AuthorizationServer, client: Client, length: int, read: bool) -> None:
    server.always(Reply(b'{"x":"' + b"x" * (length - 8) + b'"}'))
    endpoint = Endpoint(client, limit=1000, seconds=30)
    if read:
        assert list(await endpoint.ask(request("GET", server.url("/")))) == ["x"]
        return
    with pytest.raises(NoAnswerError):
        await endpoint.ask(request("GET", server.url("/")))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_good_answer_is_not_followed(
    server: AuthorizationServer, client: Client, status: int
) -> None:
    """The token would be sent to an address that the operator did not name."""
    elsewhere = {"Location": server.url("/elsewhere")}
    server.reply = lambda asked: Reply(status=status, headers=elsewhere) if asked.path == "/" else answer({"good": 1})
    with pytest.raises(NoAnswerError) as failure:
        await Endpoint(client, limit=1000, seconds=30).ask(request("GET", server.url("/")))
    assert failure.value.reason == f"status {status}"
    assert [asked.path for asked in server.requests] == ["/"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(b"[]"), "not an object"),
        (Reply(b"{}", status=201), "status 201"),
        (Reply(b"{"), "the body is not valid JSON"),
    ],
)
async def test_why_there_is_no_answer(server: AuthorizationServer, client: Client, reply: Reply, reason: str) -> None:
    server.always(reply)
    with pytest.raises(NoAnswerError) as failure:
        await Endpoint(client, limit=1000, seconds=30).ask(request("GET", server.url("/")))
    assert failure.value.reason == str(failure.value) == reason
    # Nothing that was received is attached.
    assert failure.value.__cause__ is None
