"""What an app may send, what is written of it and when, and what becomes of a response that breaks off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from tests.gateway.http11.loopback_app import get, head
from tests.gateway.http11.memory_connection import MemoryConnection, MemoryServer
from tests.gateway.virtual_time import in_virtual_time

Fields = Sequence[tuple[bytes, bytes]]


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def sized(length: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % length


def sending(*messages: Message, added: Fields | None = None) -> ASGIApp:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if added is not None:
            scope["state"]["headers"] = added
        for message in messages:
            await send(message)

    return app


async def asked(app: ASGIApp, request: bytes = get("/")) -> MemoryConnection:
    connection = MemoryServer(app).connect()
    await connection.send(request)
    return connection


@in_virtual_time
async def test_head_and_body_are_written_together() -> None:
    connection = await asked(sending(start(sized(2), (b"x-a", b"1")), part(b"ab")))
    assert connection.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\r\n\r\nab"]
    assert not connection.closed


@in_virtual_time
async def test_a_body_in_parts() -> None:
    connection = await asked(sending(start(sized(3)), part(b"a", more=True), part(b"", more=True), part(b"bc")))
    assert connection.received == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
    connection = await asked(sending(start(), part(b"a", more=True), part(b"", more=True), part(b"bc")))
    lines = b"HTTP/1.1 200 OK", b"transfer-encoding: chunked", b"", b"1", b"a", b"2", b"bc", b"0", b"", b""
    assert connection.received == b"\r\n".join(lines)
    assert not connection.closed


@in_virtual_time
async def test_responses_without_a_body() -> None:
    for status, phrase in ((204, b"No Content"), (304, b"Not Modified")):
        connection = await asked(sending(start(status=status), part(b"")))
        assert connection.received == b"HTTP/1.1 %d %b\r\n\r\n" % (status, phrase)
    to_head = head("Host: test", start="HEAD / HTTP/1.1")
    for headers, length in (([sized(2)], b"content-length: 2\r\n"), ([], b"")):
        connection = await asked(sending(start(*headers), part(b"a", more=True), part(b"b")), to_head)
        assert connection.received == b"HTTP/1.1 200 OK\r\n%b\r\n" % length
        assert not connection.closed


@pytest.mark.parametrize("asks", ["app", "client"])
@in_virtual_time
async def test_a_connection_that_is_closed_says_so_once(asks: str) -> None:
    headers = [sized(0), *([(b"connection", b"Close")] if asks == "app" else [])]
    request = get("/", *(["Connection: close"] if asks == "client" else []))
    connection = await asked(sending(start(*headers), part(b"")), request)
    assert connection.received.lower().count(b"connection: close") == 1
    assert connection.closed


@in_virtual_time
async def test_headers_in_the_state_replace_those_of_the_app() -> None:
    app = sending(start((b"x-a", b"1"), (b"x-b", b"1"), sized(0)), part(b""), added=[(b"x-a", b"2"), (b"x-c", b"2")])
    connection = await asked(app)
    assert connection.received == b"HTTP/1.1 200 OK\r\nx-b: 1\r\ncontent-length: 0\r\nx-a: 2\r\nx-c: 2\r\n\r\n"
    connection = await asked(sending(start(sized(0)), part(b""), added=[(b"connection", b"close")]))
    assert connection.received.endswith(b"connection: close\r\n\r\n")
    assert connection.closed


@in_virtual_time
async def test_a_header_may_be_repeated() -> None:
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=1")]
    connection = await asked(sending(start(*cookies, sized(0)), part(b""), added=[(b"x-a", b"1")]))
    lines = b"HTTP/1.1 200 OK", b"set-cookie: a=1", b"set-cookie: b=1", b"content-length: 0", b"x-a: 1", b"", b""
    assert connection.received == b"\r\n".join(lines)


def is_500(connection: MemoryConnection) -> bool:
    """It is the only response on its connection."""
    written = connection.received
    assert connection.closed
    assert written.count(b"HTTP/1.1") == 1
    return written.startswith(b"HTTP/1.1 500 Internal Server Error\r\n") and b"\r\nconnection: close\r\n" in written


@pytest.mark.parametrize("value", [b"a\r\nx-b: 1", b"a\nb", b"a\r", b"\0", b"\x1f", b"\x7f"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@in_virtual_time
async def test_a_header_with_a_control_character_is_never_written(method: bytes, value: bytes) -> None:
    connection = await asked(sending(start((b"x-a", value), sized(1)), part(b"a")), get("/").replace(b"GET", method))
    assert is_500(connection)
    assert b"x-a" not in connection.received


@pytest.mark.parametrize(
    "header", [(b"X-A", b"1"), (b"Content-Length", b"1"), (b"transfer-encoding", b"chunked"), (b"content-length", b"x")]
)
@pytest.mark.parametrize("messages", [[], [part(b"a")]], ids=["without a body", "with a body"])
@in_virtual_time
async def test_a_header_that_would_frame_the_body_otherwise(
    header: tuple[bytes, bytes], messages: list[Message]
) -> None:
    """Names of headers are in lower case (ASGI HTTP 2.3), and the server frames the body."""
    assert is_500(await asked(sending(start(header), *messages)))


@in_virtual_time
async def test_not_even_the_response_to_a_failure_can_be_written() -> None:
    connection = await asked(sending(added=[(b"x-a", b"\n")]))
    assert connection.closed
    assert connection.received == b""


@in_virtual_time
async def test_a_header_with_a_tab_is_written() -> None:
    assert b"x-a: a\tb\xff\r\n" in (await asked(sending(start((b"x-a", b"a\tb\xff"), sized(0)), part(b"")))).received


@pytest.mark.parametrize(
    ("messages", "written"),
    [
        # The body is longer or shorter than Content-Length.
        ([start(sized(1)), part(b"a", more=True), part(b"b")], b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na"),
        ([start(sized(2)), part(b"a")], b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na"),
        # The app ends too early.
        ([start(sized(2)), part(b"a", more=True)], b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na"),
    ],
)
@in_virtual_time
async def test_a_response_that_is_not_complete_ends_its_connection(messages: list[Message], written: bytes) -> None:
    connection = await asked(sending(*messages), get("/") + get("/"))
    assert connection.received == written
    assert connection.closed


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [part(b"a")],
        [start(sized(1))],
        [start(sized(1)), start(sized(1))],
        [start(sized(1)), part(b"ab")],
        [start(sized(1), status=999), part(b"a")],
    ],
    ids=["nothing", "no start", "no body", "two starts", "a body that is too long", "an unknown status"],
)
@in_virtual_time
async def test_a_response_of_which_nothing_was_written_is_500(messages: list[Message]) -> None:
    assert is_500(await asked(sending(*messages)))


@in_virtual_time
async def test_an_app_that_fails_after_its_response_is_logged() -> None:
    with capture_logs() as logged:
        connection = await asked(sending(start(sized(1)), part(b"a"), part(b"b")))
    assert connection.received == b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na"
    assert connection.closed
    [line] = logged
    assert (line["event"], line["log_level"], line["error"]) == ("response.failed", "error", "RuntimeError")
    assert line["frames"][-1].endswith(" send")
    # Not the exception's text.
    assert line.keys() == {"event", "log_level", "error", "frames"}


@pytest.mark.parametrize("messages", [[], [start(sized(1))], [start(sized(2)), part(b"a", more=True)]])
@in_virtual_time
async def test_an_app_that_returns_too_early_is_logged(messages: list[Message]) -> None:
    with capture_logs() as logged:
        await asked(sending(*messages))
    assert logged == [{"event": "response.incomplete", "log_level": "error"}]


@pytest.mark.parametrize("requests", [1, 3])
@in_virtual_time
async def test_a_client_that_leaves_too_early_is_not_logged(requests: int) -> None:
    """The app is told, even if more requests are waiting on the connection."""
    ended = 0

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        nonlocal ended
        while (await receive())["type"] != "http.disconnect":
            pass
        ended += 1

    with capture_logs() as logged:
        connection = await asked(app, get("/") * requests)
        await connection.leave()
    assert logged == []
    assert ended == 1


class Reading:
    """Records how it was told the body, and what it received."""

    def __init__(self) -> None:
        self.told: list[bytes | None] = []
        self.received: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.told.append(scope["state"].get("body"))
        while not self.received or self.received[-1].get("more_body"):
            self.received.append(await receive())
        await send(start(sized(0)))
        await send(part(b""))


@in_virtual_time
async def test_a_body_that_has_arrived_as_a_whole_can_be_read_at_once() -> None:
    app = Reading()
    await asked(app, head("Host: test", "Content-Length: 2") + b"ab")
    await asked(app, get("/"))
    await asked(app, head("Host: test", "Transfer-Encoding: chunked") + b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
    assert app.told == [b"ab", b"", b"ab"]
    # And also in the usual way.
    assert app.received[0] == {"type": "http.request", "body": b"ab", "more_body": False}


@in_virtual_time
async def test_a_body_that_is_still_arriving_must_be_awaited() -> None:
    app = Reading()
    connection = await asked(app, head("Host: test", "Content-Length: 2") + b"a")
    assert app.told == [None]
    await connection.send(b"b")
    assert [message["body"] for message in app.received] == [b"a", b"b"]
    assert connection.received == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@in_virtual_time
async def test_an_app_whose_client_has_disconnected_before_it_runs_is_told_so() -> None:
    app = Reading()
    connection = MemoryServer(app).connect()
    connection.send_only(head("Host: test", "Content-Length: 2") + b"ab")
    await connection.leave()
    assert (app.told, app.received) == ([None], [{"type": "http.disconnect"}])
    assert connection.writes == []
