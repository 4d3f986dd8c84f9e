"""Bodies that are still arriving: many at once, in pieces, some never complete, and a limit on what is buffered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest
from starlette.types import Receive, Scope, Send

from gateway.overload.admission import BUFFER_LIMIT, Admission, ConcurrencyLimit
from rest.json_http import answer
from tests.gateway.http11.loopback_app import served, until

SIZE = 60_000
# Bodies that fit into the buffer without their last byte.
FIT = BUFFER_LIMIT // (SIZE - 1)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await answer({})(scope, receive, send)


@pytest.fixture
async def admission() -> Admission:
    return Admission(ConcurrencyLimit(500, 500, 500, 10))


@pytest.fixture
async def port(admission: Admission) -> AsyncGenerator[int]:
    async def admitted(scope: Scope, receive: Receive, send: Send) -> None:
        await admission.run(app, scope, receive, send)

    async with served(admitted) as port:
        yield port


class Sender:
    """One connection with one request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
        self._reader, self._writer = reader, writer
        self.send(b"POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)

    def send(self, piece: bytes) -> None:
        self._writer.write(piece)

    async def status(self) -> int:
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 20)
        self.leave()
        return int(head.split()[1])

    def leave(self) -> None:
        self._writer.close()


SenderOf = Callable[[int], Awaitable[Sender]]


@pytest.fixture
async def sender_of(port: int) -> AsyncGenerator[SenderOf]:
    """Opens a connection for a body of that many bytes. All connections are closed at the end."""
    senders: list[Sender] = []

    async def connect(size: int) -> Sender:
        senders.append(Sender(*await asyncio.open_connection("127.0.0.1", port), size))
        return senders[-1]

    yield connect
    for sender in senders:
        sender.leave()


async def test_bodies_are_counted_only_while_they_arrive(admission: Admission, sender_of: SenderOf) -> None:
    async def whole(drawn: random.Random) -> int | None:
        pieces = [bytes(drawn.randrange(1, 3000)) for _ in range(10)]
        sender = await sender_of(sum(map(len, pieces)))
        for piece in pieces:
            await asyncio.sleep(drawn.random() / 100)
            if drawn.random() < 0.05:
                sender.leave()
                return None
            sender.send(piece)
        return await sender.status()

    statuses = await asyncio.gather(*(whole(random.Random(seed)) for seed in range(200)))
    assert {None, 200} == set(statuses)
    await until(lambda: admission._buffered == 0)


async def test_more_bodies_than_fit_into_the_buffer(admission: Admission, sender_of: SenderOf) -> None:
    """Those beyond the limit are rejected at once. The others are answered, and after that, there is room again."""
    senders = [await sender_of(SIZE) for _ in range(FIT + 20)]
    statuses = [asyncio.create_task(sender.status()) for sender in senders]
    for sender in senders:
        sender.send(bytes(SIZE - 1))
    await until(lambda: admission._buffered == (SIZE - 1) * sum(not status.done() for status in statuses))
    refused = [status.done() for status in statuses]
    assert 20 <= sum(refused) < FIT / 2
    for sender in senders:
        sender.send(b"x")
    assert [await status for status in statuses] == [503 if no else 200 for no in refused]
    assert admission._buffered == 0
    again = await sender_of(SIZE)
    again.send(bytes(SIZE))
    assert await again.status() == 200
