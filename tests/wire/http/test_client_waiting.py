"""A request while this process stands still, and what may run while a request waits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
from collections.abc import Generator
from pathlib import Path

import pytest

from providers.errors import TimedOut
from tests.processes import free_port
from tests.wire.http.event_loops import let_pass, no_collection, on_a_leaping_clock
from tests.wire.http.fetching import failed, fetch, private_client, soon
from tests.wire.http.loopback import Asked, Respond, answering, loopback
from tests.wire.http.tls import NAME, client_to, write_certificate
from wire.http.client import Client, Request, request
from wire.http.response import Response
from wire.http.response_reader import ResponseReader
from wire.waiting import SECOND_LOOK, release_slot

SLOW = "HTTP/1.1 {} X\r\nRetry-After: 30\r\nContent-Length: 9\r\n\r\n{{"


def standing_still(seconds: float, answer: bytes = b"") -> Respond:
    """The process stands still as soon as it is asked; then the answer is sent, if there is one."""

    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        if answer:
            writer.write(answer)
            await writer.drain()
            # Until it was read.
            await asyncio.sleep(0.5)
        let_pass(seconds)
        await asyncio.Event().wait()

    return respond


async def send(client: Client, asking: Request, *, seconds: float, latest: float = math.inf) -> Response:
    return await client.send(asking, deadline=soon(seconds), latest=soon(latest))


@on_a_leaping_clock
async def test_an_answer_that_arrived_while_the_process_stood_still_is_read() -> None:
    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await answering(b"{}")(asked, writer)
        let_pass(100)

    async with loopback(respond) as server, private_client() as client:
        assert (await fetch(client, server.origin, seconds=3)).content == b"{}"


@on_a_leaping_clock
async def test_an_extended_deadline_ends_with_its_answer() -> None:
    """It must not end the next request on the same connection."""

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if len(server.asked) == 1:
            let_pass(100)
            await asyncio.sleep(1)
        else:
            await asyncio.sleep(10)
        await answering(b"{}")(asked, writer)

    async with loopback(respond) as server, private_client() as client:
        assert (await fetch(client, server.origin, seconds=3)).content == b"{}"
        assert (await fetch(client, server.origin, seconds=20)).content == b"{}"
        assert server.connections == 1


@pytest.mark.parametrize(("latest", "granted"), [(math.inf, 3), (101, 1), (50, SECOND_LOOK)])
@on_a_leaping_clock
async def test_a_deadline_is_extended_after_a_standstill_but_not_beyond_the_latest(
    latest: float, granted: float
) -> None:
    async with loopback(standing_still(100)) as server, private_client() as client:
        began = soon(0)
        with pytest.raises(TimedOut) as raised:
            await send(client, request("GET", server.origin), seconds=3, latest=latest)
        assert soon(0) - began == pytest.approx(100 + granted)
    assert raised.value.stood_still
    assert raised.value.sent
    assert str(raised.value) == "no answer: this process stood still meanwhile (the request may have left)"


@on_a_leaping_clock
async def test_a_time_out_is_the_servers_if_the_process_ran() -> None:
    async with loopback(standing_still(0)) as server, private_client() as client:
        failure = await failed(client, server.origin, seconds=3)
    assert isinstance(failure, TimedOut)
    assert not failure.stood_still
    assert str(failure) == "no answer: it took too long (the request may have left)"


@pytest.mark.parametrize(("seconds", "overdue"), [(0, True), (100, False)])
@pytest.mark.parametrize("status", [400, 599])
@on_a_leaping_clock
async def test_an_error_without_its_body_is_overdue_unless_the_process_stood_still(
    status: int, seconds: float, *, overdue: bool
) -> None:
    respond = standing_still(seconds, SLOW.format(status).encode())
    async with loopback(respond) as server, private_client() as client:
        answer = await fetch(client, server.origin, seconds=3)
    assert (answer.status, answer.content, answer.overdue) == (status, b"", overdue)
    assert answer.header("retry-after") == "30"
    assert answer.header("missing") is None


@pytest.mark.parametrize("status", [200, 399, 600])
@on_a_leaping_clock
async def test_any_other_answer_without_its_body_is_a_time_out(status: int) -> None:
    async with loopback(standing_still(0, SLOW.format(status).encode())) as server, private_client() as client:
        assert isinstance(await failed(client, server.origin, seconds=3), TimedOut)


@pytest.mark.parametrize("seconds", [0, 3.4])
@on_a_leaping_clock
async def test_a_connection_that_was_not_opened_in_time(tmp_path: Path, seconds: float) -> None:
    async def stall(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        let_pass(seconds)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        writer.close()

    certificate = write_certificate(tmp_path)
    async with await asyncio.start_server(stall, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client_to(certificate, "127.0.0.1", connect_timeout=3) as client:
            failure = await failed(client, f"https://{NAME}:{port}", seconds=1000)
    assert isinstance(failure, TimedOut)
    assert (failure.sent, failure.stood_still) == (False, seconds > 0)


# When it was sent


@on_a_leaping_clock
async def test_an_answer_says_when_its_request_was_sent() -> None:
    asked: list[float] = []

    async def respond(asking: Asked, writer: asyncio.StreamWriter) -> None:
        asked.append(soon(0))
        await asyncio.sleep(1)
        await answering(b"")(asking, writer)

    async with loopback(respond) as server, private_client() as client:
        await fetch(client, server.origin)
        await asyncio.sleep(5)
        answer = await fetch(client, server.origin)
        assert answer.sent_at == asked[-1] == soon(0) - 1
    async with loopback(standing_still(0, SLOW.format(400).encode())) as server, private_client() as client:
        began = soon(0)
        assert (await fetch(client, server.origin, seconds=3)).sent_at == began


# What may run meanwhile


class Slot:
    def __init__(self) -> None:
        self.free = False
        self.changes = 0

    @contextlib.contextmanager
    def release(self) -> Generator[None]:
        self.free = True
        try:
            yield
        finally:
            self.free = False
            self.changes += 1


@on_a_leaping_clock
async def test_the_slot_of_the_request_is_released_until_the_answer_is_there() -> None:
    slot, free = Slot(), list[bool]()

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        free.append(slot.free)
        await answering(b"{}")(asked, writer)

    async def ask() -> None:
        release_slot.set(slot.release)
        await fetch(client, server.origin)
        free.append(slot.free)

    async with loopback(respond) as server, private_client() as client:
        await asyncio.create_task(ask())
    assert free == [True, False]


@on_a_leaping_clock
async def test_the_slot_is_released_between_two_tries() -> None:
    slot = Slot()

    async def ask() -> None:
        release_slot.set(slot.release)
        asking = request("GET", f"http://127.0.0.1:{free_port()}")
        await client.send(asking, deadline=soon(20), retry_refused=True)

    async with private_client() as client:
        asking = asyncio.create_task(ask())
        await asyncio.sleep(0.1)
        assert slot.free
        await asyncio.gather(asking, return_exceptions=True)
    assert not slot.free
    assert slot.changes == 1


@on_a_leaping_clock
async def test_a_request_leaves_nothing_for_the_garbage_collector() -> None:
    async with loopback(answering(b"{}")) as server, private_client() as client:
        with no_collection():
            for _ in range(3):
                await fetch(client, server.origin)
            assert not [found for found in gc.get_objects() if isinstance(found, ResponseReader)]
