"""A process that was stopped or swapped out reads its sockets before it enforces a time limit."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator

import pytest

from tests.processes import environment, free_port

# The limits are short, and the process is stopped for longer than any of them.
_PROGRAM = """
import asyncio, sys
import uvicorn
from gateway.http11.protocol import BoundedProtocol
from rest.json_http import answer

class Hasty(BoundedProtocol):
    head_seconds = 0.4
    body_seconds = 0.4
    response_seconds = 0.4

async def app(scope, receive, send):
    size = 0
    more = True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await answer("x" * 8_000_000 if scope["path"] == "/large" else size)(scope, receive, send)

uvicorn.run(app, port=int(sys.argv[1]), loop=sys.argv[2], http=Hasty, log_config=None, ws="none", lifespan="off",
            timeout_keep_alive=0.4)
"""
STANDSTILL = 1.0
GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 60000\r\n\r\n"


class Served:
    def __init__(self, loop: str) -> None:
        self.port = free_port()
        self._lines: list[socket.socket] = []
        self._process = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(self.port), loop], env=environment())
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                self.connect()
            except ConnectionRefusedError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("does not listen")

    def connect(self) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self._lines.append(line)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    def hang_up(self) -> None:
        while self._lines:
            self._lines.pop().close()

    def stop(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(params=["uvloop", "asyncio"], scope="module")
def process(request: pytest.FixtureRequest) -> Generator[Served]:
    process = Served(request.param)
    yield process
    process.end()


@pytest.fixture
def served(process: Served) -> Generator[Served]:
    yield process
    process.hang_up()


def status(line: socket.socket) -> bytes:
    """The status of the next answer, which is read to its end."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += line.recv(65536) or pytest.fail("hung up")
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(body) < length:
        body += line.recv(65536) or pytest.fail("hung up")
    return head[9:12]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", GET),
        (GET[:10], GET[10:]),
        (POST, bytes(60000)),
        (POST[:30], POST[30:] + bytes(60000)),
    ],
    ids=["all", "half a head", "a body", "head and body"],
)
def test_data_that_arrived_meanwhile_is_answered(served: Served, before: bytes, after: bytes) -> None:
    """Stopped at different moments before the limit, so that the timer is late by varying amounts, or on time."""
    for moment in (0.05, 0.35):
        lines = [served.connect() for _ in range(5)]
        for line in lines:
            line.sendall(before)
        time.sleep(moment)
        served.stop()
        for line in lines:
            line.sendall(after)
        time.sleep(STANDSTILL)
        served.go_on()
        assert [status(line) for line in lines] == [b"200"] * 5
        served.hang_up()


def test_kept_connections_are_not_reset(served: Served) -> None:
    lines = [served.connect() for _ in range(10)]
    for line in lines:
        line.sendall(GET)
        assert status(line) == b"200"
    served.stop()
    for line in lines:
        line.sendall(GET)
    time.sleep(STANDSTILL)
    served.go_on()
    assert [status(line) for line in lines] == [b"200"] * 10


def test_a_response_that_was_read_meanwhile_is_finished(served: Served) -> None:
    line = served.connect()
    line.sendall(GET.replace(b"/ ", b"/large ", 1))
    time.sleep(0.2)
    served.stop()
    received = 0
    line.settimeout(0.3)
    try:
        while True:
            received += len(line.recv(1 << 20))
    except TimeoutError:
        time.sleep(STANDSTILL)
    served.go_on()
    line.settimeout(20)
    while received < 8_000_000 and (piece := line.recv(1 << 20)):
        received += len(piece)
    assert received > 8_000_000


def test_a_slow_request_still_ends(served: Served) -> None:
    """Its limit is extended by its own length, and not for ever."""
    line = served.connect()
    line.sendall(GET[:10])
    time.sleep(0.1)
    served.stop()
    time.sleep(STANDSTILL)
    served.go_on()
    began = time.monotonic()
    assert status(line) == b"408"
    assert time.monotonic() - began < 15


def test_an_idle_connection_still_ends(served: Served) -> None:
    line = served.connect()
    line.sendall(GET)
    assert status(line) == b"200"
    began = time.monotonic()
    assert line.recv(10) == b""
    assert 0.3 < time.monotonic() - began < 5
