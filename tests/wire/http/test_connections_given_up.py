"""Requests that are cancelled, and clients that are closed: nothing stays open."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from providers.errors import Unreachable
from tests.processes import free_port
from tests.wire.http.event_loops import on_a_leaping_clock, on_both_loops, open_sockets, until
from tests.wire.http.fetching import failed, fetch, private_client
from tests.wire.http.loopback import Asked, answering, loopback
from tests.wire.http.tls import NAME, client_to, server_tls, write_certificate
from wire.http.client import Client


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls"))


async def given_up(client: Client, url: str, turns: int) -> bool:
    """Whether it was cancelled before it ended."""
    task = asyncio.create_task(fetch(client, url))
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.sleep(turns * 0.0002)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return task.cancelled()


@pytest.mark.parametrize("secure", [False, True])
@on_both_loops
async def test_cancelling_at_any_point_leaves_nothing_open(certificate: Path, secure: bool) -> None:
    tls = server_tls(certificate, []) if secure else None
    async with loopback(answering(b"{}"), tls=tls) as server:
        for turns in range(40):
            async with client_to(certificate, "127.0.0.1") if secure else private_client() as client:
                url = f"https://{NAME}:{server.port}" if secure else server.origin
                cancelled = await given_up(client, url, turns)
                if cancelled:
                    # While the client is open still: at most it is kept, if its answer was whole.
                    await until(lambda: server.open <= 1)
                assert (await fetch(client, url)).content == b"{}"
            await server.settled()


@on_both_loops
async def test_a_cancelled_handshake_closes_its_socket(certificate: Path) -> None:
    began: list[bytes] = []
    closed: list[bytes] = []

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began.append(await reader.readexactly(1))
        closed.append(await reader.read())
        writer.close()

    async with await asyncio.start_server(stall, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client_to(certificate, "127.0.0.1") as client:
            asking = [asyncio.create_task(fetch(client, f"https://{NAME}:{port}")) for _ in range(5)]
            await until(lambda: len(began) == 5)
            for task in asking:
                task.cancel()
            await until(lambda: len(closed) == 5)


@on_both_loops
async def test_closing_the_client_ends_requests_in_progress() -> None:
    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if "slow" in asked.line:
            await asyncio.Event().wait()
        await answering(b"{}")(asked, writer)

    async with loopback(respond) as server:
        client = private_client()
        slow = [asyncio.create_task(failed(client, f"{server.origin}/slow")) for _ in range(3)]
        await until(lambda: len(server.asked) == 3)
        await fetch(client, server.origin)
        await client.aclose()
        assert [failure.sent for failure in await asyncio.gather(*slow)] == [True] * 3
        late = await failed(client, server.origin)
        assert str(late) == "no answer: the client is closed (nothing was sent)"
        assert len(server.asked) == 4


@on_both_loops
async def test_closing_the_client_ends_requests_that_are_still_connecting(certificate: Path) -> None:
    resolving, resolved = asyncio.Event(), asyncio.Event()

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        resolving.set()
        await resolved.wait()
        return ["127.0.0.1"]

    tls = ssl.create_default_context(cafile=str(certificate))
    async with loopback(answering(b"{}")) as server:
        client = Client(resolve, tls, https_only=False)
        asking = asyncio.create_task(failed(client, server.origin))
        await resolving.wait()
        await client.aclose()
        resolved.set()
        assert str(await asking) == "no answer: the client is closed (nothing was sent)"
        await until(lambda: server.open == 0)
        assert server.asked == []


@on_a_leaping_clock
async def test_closing_the_client_leaves_no_timer() -> None:
    loop = asyncio.get_running_loop()
    async with loopback(answering(b"{}")) as server:
        async with private_client() as client:
            for _ in range(2):
                await fetch(client, server.origin)
            assert not client.closed
        assert client.closed
        await server.settled()
        assert [handle for handle in loop._scheduled if not handle.cancelled()] == []  # type: ignore[attr-defined]


@on_both_loops
async def test_all_connections_are_closed_when_the_client_is() -> None:
    async with loopback(answering(b"{}")) as server:
        before = open_sockets()
        client = private_client()
        await asyncio.gather(*(fetch(client, server.origin) for _ in range(3)))
        assert len(open_sockets() - before) == 6
        await client.aclose()
        # The server may not have noticed yet.
        assert len(open_sockets() - before) <= 3


@pytest.mark.parametrize("how", ["refused", "cancelled"])
@on_both_loops
async def test_a_request_that_was_not_sent_frees_its_place(how: str) -> None:
    hanging = asyncio.Event()

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        if how == "cancelled" and not hanging.is_set():
            await hanging.wait()
        return ["127.0.0.1"]

    port = free_port()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with Client(resolve, tls, https_only=False, max_connections=2) as client:
        url = f"http://acme.example:{port}"
        asking = [asyncio.create_task(fetch(client, url)) for _ in range(5)]
        if how == "cancelled":
            await asyncio.sleep(0)
            for task in asking:
                task.cancel()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Unreachable if how == "refused" else asyncio.CancelledError}
        hanging.set()
        async with loopback(answering(b"{}"), port=port) as server:
            await asyncio.gather(*(fetch(client, url) for _ in range(5)))
            assert server.connections == 2
