"""Bodies that are still arriving: how much of one the app is given, which requests wait for theirs, and the limit on
what is buffered of all together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway.overload.admission import BUFFER_LIMIT, Admission, ConcurrencyLimit
from resolvers.errors import Problem
from rest.json_http import BODY_LIMIT, Request, answer, json_object, problem_answer
from tests.gateway.http11.echo_app import statuses
from tests.gateway.http11.loopback_app import exchange, get, head, served
from tests.gateway.http11.memory_connection import MemoryServer
from tests.gateway.virtual_time import in_virtual_time, settle

SIZE = BODY_LIMIT
# Bodies that fit into the buffer.
FIT = BUFFER_LIMIT // SIZE


def post(length: int) -> bytes:
    return head("Host: test", f"Content-Length: {length}")


def piece(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


LEFT: Message = {"type": "http.disconnect"}


class Sender:
    """One request, whose messages the test gives. `read` has what the app has read, once it runs."""

    def __init__(self, admission: Admission, *headers: tuple[str, str], authenticated: bool = False) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.ran = False
        self.read: list[Message] = []
        self.sent: list[Message] = []
        self.more = asyncio.Event()
        named = [(name.encode(), value.encode()) for name, value in headers]
        scope: Scope = {"type": "http", "path": "/", "method": "POST", "headers": named}
        self.task = asyncio.create_task(
            admission.run(self._app, scope, self.messages.get, self._send, authenticated=authenticated)
        )

    async def send(self, *messages: Message) -> None:
        for message in messages:
            self.messages.put_nowait(message)
        await settle()

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.ran = True
        while not self.read or self.read[-1].get("more_body"):
            self.read.append(await receive())
        await answer({})(scope, receive, send)

    async def _send(self, message: Any) -> None:
        self.sent.append(message)


@pytest.fixture
async def admission() -> Admission:
    return Admission(ConcurrencyLimit(5000, 5000, 500, 10))


@in_virtual_time
async def test_an_app_runs_when_the_body_has_arrived(admission: Admission) -> None:
    sender = Sender(admission, ("content-length", "3"))
    await sender.send(piece(b"a", more=True), piece(b"", more=True), piece(b"b", more=True))
    assert not sender.ran
    await sender.send(piece(b"c", more=False))
    assert sender.status == 200
    assert sender.read == [
        piece(b"a", more=True),
        piece(b"", more=True),
        piece(b"b", more=True),
        piece(b"c", more=False),
    ]


@pytest.mark.parametrize("before", [[], [piece(b"x", more=True)]], ids=["before the body", "in mid-body"])
@in_virtual_time
async def test_who_left_before_the_body_has_arrived_is_not_run(admission: Admission, before: list[Message]) -> None:
    sender = Sender(admission, ("content-length", "10"))
    await sender.send(*before, LEFT)
    assert sender.task.done()
    assert not sender.ran
    assert sender.sent == []


@in_virtual_time
async def test_a_body_that_says_that_it_is_too_long_is_not_awaited(admission: Admission) -> None:
    """The app rejects it. One of just the longest length is awaited."""
    too_long, longest, senseless = (
        Sender(admission, ("content-length", length)) for length in (str(BODY_LIMIT + 1), str(BODY_LIMIT), "many")
    )
    await settle()
    assert [too_long.ran, longest.ran, senseless.ran] == [True, False, False]


@in_virtual_time
async def test_a_body_that_turns_out_too_long_is_not_awaited_any_longer(admission: Admission) -> None:
    """The app gets one byte more than allowed of what is buffered, which is enough for it to see that, and then what
    still arrives."""
    sender = Sender(admission)
    await sender.send(piece(bytes(BODY_LIMIT), more=True))
    assert not sender.ran
    await sender.send(piece(b"12345", more=True))
    assert sender.ran
    assert [len(message["body"]) for message in sender.read] == [BODY_LIMIT, 1]
    await sender.send(piece(b"last", more=False))
    assert sender.read[2:] == [piece(b"last", more=False)]


async def rejecting(scope: Scope, receive: Receive, send: Send) -> None:
    """As the endpoints read a body."""
    try:
        response = answer(await json_object(Request(scope, receive, dict(scope["headers"]))))
    except Problem as problem:
        response = problem_answer(problem)
    await response(scope, receive, send)


@in_virtual_time
async def test_a_body_that_is_too_long_is_413_at_once(admission: Admission) -> None:
    """While the rest of it has not been sent."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await admission.run(rejecting, scope, receive, send)

    json = "Content-Type: application/json"
    for sent in (
        head("Host: test", json, f"Content-Length: {BODY_LIMIT + 1}"),
        head("Host: test", json, "Transfer-Encoding: chunked") + b"%x\r\n" % (2 * BODY_LIMIT) + bytes(BODY_LIMIT + 1),
    ):
        connection = MemoryServer(app).connect()
        await connection.send(sent)
        assert statuses(connection.received) == [413]


@pytest.mark.parametrize(
    ("authenticated", "header", "awaited"),
    [(True, "authorization", True), (True, "x", False), (False, "authorization", True), (False, "x", True)],
)
@in_virtual_time
async def test_whose_body_is_awaited(admission: Admission, authenticated: bool, header: str, awaited: bool) -> None:
    """Who will get 401 anyway need not send one."""
    sender = Sender(admission, (header, "Bearer x"), ("content-length", "3"), authenticated=authenticated)
    await settle()
    assert sender.ran is not awaited
    await sender.send(piece(b"abc", more=False))
    assert sender.status == 200
    assert sender.read == [piece(b"abc", more=False)]


@in_virtual_time
async def test_as_many_bodies_as_fit_into_the_buffer(admission: Admission) -> None:
    """To the byte. The one that exceeds it is rejected at once, and the others are answered."""
    senders = [Sender(admission) for _ in range(FIT)]
    for sender in senders:
        await sender.send(piece(bytes(SIZE - 1), more=True), piece(b"x", more=True))
    assert not any(sender.task.done() for sender in senders)
    last = Sender(admission)
    await last.send(piece(b"x", more=True))
    assert last.status == 503
    assert not last.ran
    for sender in senders:
        await sender.send(piece(b"", more=False))
    assert {sender.status for sender in senders} == {200}


@pytest.mark.parametrize(
    "end", [piece(b"", more=False), LEFT, piece(bytes(BODY_LIMIT), more=True)], ids=["arrived", "left", "too long"]
)
@in_virtual_time
async def test_bodies_are_counted_only_while_they_arrive(admission: Admission, end: Message) -> None:
    """Whatever becomes of them, there is room again."""
    for _ in range(3 * FIT):
        sender = Sender(admission)
        await sender.send(piece(bytes(SIZE), more=True), end)
        assert sender.status in (200, None)
        await sender.send(LEFT)
    # Those that were rejected for want of room, too.
    senders = [Sender(admission) for _ in range(2 * FIT)]
    for sender in senders:
        await sender.send(piece(bytes(SIZE), more=True))
    assert [sender.status for sender in senders] == [None] * FIT + [503] * FIT
    for sender in senders[:FIT]:
        await sender.send(LEFT)
    again = Sender(admission)
    await again.send(piece(bytes(SIZE), more=True), piece(b"", more=False))
    assert again.status == 200


@in_virtual_time
async def test_bodies_that_arrive_at_the_same_time_are_all_counted(admission: Admission) -> None:
    senders = [Sender(admission) for _ in range(2 * FIT)]
    await settle()
    for sender in senders:
        sender.messages.put_nowait(piece(bytes(SIZE), more=True))
    await settle()
    assert [sender.status for sender in senders] == [None] * FIT + [503] * FIT


@in_virtual_time
async def test_slow_bodies_hold_up_nobody() -> None:
    """A request takes its slot when its body has arrived."""
    admission = Admission(ConcurrencyLimit(1, 1, 0, 1))
    slow = [Sender(admission, ("content-length", "4")) for _ in range(10)]
    for sender in slow:
        await sender.send(piece(b"ab", more=True))
    quick = Sender(admission)
    await quick.send(piece(b"", more=False))
    assert quick.status == 200
    await slow[0].send(piece(b"cd", more=False))
    assert slow[0].status == 200


@pytest.fixture
async def port(admission: Admission) -> AsyncGenerator[int]:
    async def admitted(scope: Scope, receive: Receive, send: Send) -> None:
        await admission.run(rejecting, scope, receive, send)

    async with served(admitted) as port:
        yield port


async def test_bodies_through_sockets(port: int) -> None:
    """Many at once, in pieces, among them some that are too long and some that do not come."""
    whole = b'{"a":"%b"}' % (b"x" * 60_000)
    json = "Content-Type: application/json"
    start = head("Host: test", json, "Connection: close", f"Content-Length: {len(whole)}")
    long = head("Host: test", json, "Connection: close", "Content-Length: 1000000")
    sent = [[start, whole[:30_000], whole[30_000:]], [long], [get("/", json, "Connection: close")]] * 20
    received = await asyncio.gather(*(exchange(port, *parts) for parts in sent))
    assert [statuses(each) for each in received] == [[200], [413], [400]] * 20
