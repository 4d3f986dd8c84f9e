"""Which connections are reused, and by which requests."""

from __future__ import annotations

import asyncio

import pytest

from providers.errors import TransportFailure
from tests.wire.http.event_loops import let_pass, on_a_leaping_clock, on_both_loops, until
from tests.wire.http.fetching import fetch, private_client, soon
from tests.wire.http.loopback import Asked, Respond, loopback
from tests.wire.http.responses import LAST, OK, WHOLE
from wire.http.client import request
from wire.http.connections import MAX_CONNECTIONS, Connection

EMPTY = OK + b"Content-Length: 0\r\n\r\n"


def saying(answer: bytes) -> Respond:
    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return respond


async def echo(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answers with the path of the request, so that mixed-up answers are noticed."""
    path = asked.line.split()[1].encode()
    writer.write(OK + b"Content-Length: %d\r\n\r\n%s" % (len(path), path))


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE)
@on_both_loops
async def test_a_connection_is_reused_after_a_complete_answer(answer: bytes) -> None:
    async with loopback(saying(answer)) as server, private_client() as client:
        for _ in range(3):
            assert (await fetch(client, server.origin)).content == b"{}"
        assert server.connections == 1


@pytest.mark.parametrize("answer", LAST.values(), ids=LAST)
@on_both_loops
async def test_a_connection_is_not_reused_after_a_last_answer(answer: bytes) -> None:
    async with loopback(saying(answer)) as server, private_client() as client:
        for _ in range(3):
            assert (await fetch(client, server.origin)).content == b"{}"
        assert server.connections == 3


@on_both_loops
async def test_an_answer_that_ends_with_its_connection_is_read() -> None:
    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"\r\n{}")
        writer.close()

    async with loopback(respond) as server, private_client() as client:
        for _ in range(2):
            assert (await fetch(client, server.origin)).content == b"{}"
        assert server.connections == 2


@pytest.mark.parametrize("stray", [b"\n", b" ", EMPTY])
@on_both_loops
async def test_unexpected_bytes_close_an_idle_connection(stray: bytes) -> None:
    """Whether or not the event loop has read them before the next request."""
    writers: list[asyncio.StreamWriter] = []

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await echo(asked, writer)

    async with loopback(respond) as server, private_client() as client:
        for number in range(4):
            assert (await fetch(client, f"{server.origin}/{number}")).content == b"/%d" % number
            writers[-1].write(stray)
            await writers[-1].drain()
            if number % 2:
                await server.settled()
        assert server.connections == 4


@pytest.mark.parametrize("how", ["close", "half", "reset"])
@on_both_loops
async def test_a_stale_connection_is_replaced(how: str) -> None:
    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await echo(asked, writer)
        await writer.drain()
        if how == "half":
            writer.write_eof()
        elif how == "reset":
            writer.transport.abort()
        else:
            writer.close()

    async with loopback(respond) as server, private_client() as client:
        for number in range(4):
            assert (await fetch(client, f"{server.origin}/{number}")).content == b"/%d" % number
            await server.settled()
        assert (server.connections, len(server.asked)) == (4, 4)


@on_both_loops
async def test_a_request_that_was_sent_is_never_repeated() -> None:
    """The connection worked before, and breaks during the second request."""

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.line.startswith("GET /first"):
            await echo(asked, writer)
        else:
            writer.close()

    async with loopback(respond) as server, private_client() as client:
        await fetch(client, f"{server.origin}/first")
        with pytest.raises(TransportFailure) as raised:
            await fetch(client, f"{server.origin}/second")
        assert raised.value.sent
        assert (server.connections, len(server.asked)) == (1, 2)


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
@on_both_loops
async def test_a_connection_whose_answer_nobody_awaits_is_not_reused(how: str) -> None:
    """Although it was reused before: the next request would get the answer of the one that was given up."""

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if "slow" in asked.line:
            await given_up.wait()
        await echo(asked, writer)

    given_up = asyncio.Event()
    async with loopback(respond) as server, private_client() as client:
        for _ in range(2):
            await fetch(client, f"{server.origin}/first")
        slow = asyncio.create_task(fetch(client, f"{server.origin}/slow", seconds=20 if how == "cancelled" else 0.05))
        await until(lambda: len(server.asked) == 3)
        if how == "cancelled":
            slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        given_up.set()
        assert (await fetch(client, f"{server.origin}/next")).content == b"/next"
        assert server.connections == 2


@on_both_loops
async def test_the_connection_used_last_is_used_next() -> None:
    places: list[asyncio.StreamWriter] = []
    both = asyncio.Barrier(2)

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        places.append(writer)
        if "together" in asked.line:
            await both.wait()
        if "second" in asked.line:
            await first
        await echo(asked, writer)

    async with loopback(respond) as server, private_client() as client:
        first = asyncio.create_task(fetch(client, f"{server.origin}/together-first"))
        await asyncio.gather(first, fetch(client, f"{server.origin}/together-second"))
        second = next(place for asked, place in zip(server.asked, places, strict=True) if "second" in asked.line)
        for _ in range(3):
            await fetch(client, server.origin)
        assert places[2:] == [second] * 3


@on_both_loops
async def test_concurrent_requests_get_their_own_answers() -> None:
    async with loopback(echo) as server, private_client() as client:
        for _ in range(3):
            paths = [f"/{number}" for number in range(3 * MAX_CONNECTIONS)]
            answers = await asyncio.gather(*(fetch(client, server.origin + path) for path in paths))
            assert [answer.content.decode() for answer in answers] == paths
        assert server.connections == MAX_CONNECTIONS


@on_both_loops
async def test_requests_wait_in_line_and_cancelled_ones_leave_it() -> None:
    free = asyncio.Event()

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await free.wait()
        await echo(asked, writer)

    async with loopback(respond) as server, private_client() as client:
        taken = [asyncio.create_task(fetch(client, f"{server.origin}/taken")) for _ in range(MAX_CONNECTIONS)]
        await until(lambda: len(server.asked) == MAX_CONNECTIONS)
        waiting = [asyncio.create_task(fetch(client, f"{server.origin}/{number}")) for number in range(200)]
        await asyncio.sleep(0)
        for task in [*waiting[::2], *taken[::2]]:
            task.cancel()
        # Half of the places are free again, and those who wait have them one after the other.
        await until(lambda: len(server.asked) == MAX_CONNECTIONS + MAX_CONNECTIONS // 2)
        free.set()
        outcomes = await asyncio.gather(*taken, *waiting, return_exceptions=True)
        assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == MAX_CONNECTIONS // 2 + 100
        came = [asked.line.split()[1] for asked in server.asked[MAX_CONNECTIONS:]]
        assert sorted(came[: MAX_CONNECTIONS // 2]) == sorted(f"/{n}" for n in range(1, MAX_CONNECTIONS, 2))
        # All places are back.
        again = await asyncio.gather(*(fetch(client, server.origin) for _ in range(MAX_CONNECTIONS)))
        assert len(again) == MAX_CONNECTIONS


@on_a_leaping_clock
async def test_a_connection_that_was_idle_for_long_is_not_reused() -> None:
    """Even if the process stood still when it should have been closed."""
    async with loopback(echo) as server, private_client() as client:
        for seconds, connections in ((0, 1), (14.9, 1), (14.9, 1), (15, 2), (0, 2)):
            let_pass(seconds)
            await fetch(client, server.origin)
            assert server.connections == connections


@on_a_leaping_clock
async def test_idle_connections_are_closed_without_another_request() -> None:
    both = asyncio.Barrier(2)

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if "together" in asked.line:
            await both.wait()
        await echo(asked, writer)

    async with loopback(respond) as server, private_client() as client:
        for _ in range(2):
            await asyncio.gather(*(fetch(client, f"{server.origin}/together") for _ in range(2)))
            await asyncio.sleep(10)
            await fetch(client, server.origin)
            assert server.open == 2
            # They have been idle for 16 and 6 seconds, then for 31 and 21.
            await asyncio.sleep(6)
            assert server.open == 1
            await asyncio.sleep(15)
            assert server.open == 0


@pytest.mark.parametrize(("size", "connections"), [(16 * 1024, 1), (16 * 1024 + 1, 3)])
@on_both_loops
async def test_the_connection_of_a_long_request_is_not_reused(size: int, connections: int) -> None:
    async with loopback(saying(EMPTY)) as server, private_client() as client:
        short = request("POST", server.origin, form="")
        # As many digits as it needs in the end.
        form = "x" * (size - len(short.content) - len("16000") + len("0"))
        asking = request("POST", server.origin, form=form)
        assert len(asking.content) == size
        for _ in range(3):
            await client.send(asking, deadline=soon())
        assert server.connections == connections


@on_a_leaping_clock
async def test_connections_to_different_ports_and_names_are_kept_apart() -> None:
    async with loopback(echo) as one, loopback(echo) as other, private_client() as client:
        for _ in range(3):
            for origin in (one.origin, other.origin):
                await fetch(client, origin)
        assert (one.connections, other.connections) == (1, 1)


@on_both_loops
async def test_bytes_before_any_request_close_the_connection() -> None:
    """Nothing is sent to a server that speaks first."""

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(EMPTY)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, *server.sockets[0].getsockname())
        await asyncio.wait_for(connection.lost, 10)
        assert not connection.reusable
        assert not connection.is_quiet()
