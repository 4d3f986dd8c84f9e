"""What a request without a valid bearer token costs: CPU of the process that serves, however its head is made."""

from __future__ import annotations

import json
import socket
import time

import pytest

from tests.processes import Process

MEDIA = b"Content-Type: application/json"
# Times the CPU of an ordinary request, the connection included. Measured are 0.7 to 4, and 6 to 12 for the most chunks.
MOST = 25.0
TIMES = 20


def head(start: bytes, *fields: bytes, body: bytes = b"") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([start + b" HTTP/1.1", b"Host: tendon", *fields, length, b"", b""]) + body


ORDINARY = head(b"GET /nothing")
REQUESTS = {
    "percent signs in the path": (head(b"GET /" + b"%" * 60_000), 414),
    "fewer of them": (head(b"GET /" + b"%" * 1000), 400),
    "malformed escapes in the path": (head(b"GET /" + b"%zz" * 19_000), 414),
    "escapes in the path": (head(b"GET /" + b"%41" * 18_000), 414),
    "as many as may be": (head(b"GET /" + b"%41" * 340), 404),
    "percent signs in the query": (head(b"GET /graphql?query=" + b"%" * 8000), 400),
    "escapes in the query": (head(b"GET /graphql?query=" + b"%41" * 5000), 414),
    "as many in the query as may be": (head(b"GET /graphql?query=" + b"%41" * 2700), 200),
    "semicolons in the media type": (head(b"POST /graphql", MEDIA + b";" * 60_000, body=b"{}"), 415),
    "parameters of the media type": (head(b"POST /graphql", MEDIA + b";a=b" * 15_000, body=b"{}"), 415),
    "as many as may be of the media type": (head(b"POST /graphql", MEDIA + b";" * 490, body=b"{}"), 400),
    "as many chunks as may be": (
        b"POST /graphql HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        + MEDIA
        + b"\r\n\r\n"
        + (b"20\r\n" + b" " * 32 + b"\r\n") * 2000
        + b"0\r\n\r\n",
        400,
    ),
    "content encodings": (head(b"POST /graphql", MEDIA, b"Content-Encoding: " + b"," * 60_000, body=b"{}"), 415),
    "media ranges": (head(b"GET /graphql", b"Accept: " + b"a;q=1," * 10_000), 406),
    "as many media ranges as may be": (head(b"GET /graphql", b"Accept: */*," + b"a," * 500), 400),
    "connection options": (head(b"GET /nothing", b"Connection: upgrade" + b",a" * 30_000, b"Upgrade: h2c"), 404),
    "fields": (head(b"GET /nothing", *[b"A: b"] * 250), 404),
    "a token": (head(b"GET /v1/connections?userId=a", b"Authorization: Bearer " + b"=" * 60_000), 401),
    "zeros of a length": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"0" * 60_000 + b"\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_without_a_token_costs_little(any_gateway: Process, name: str) -> None:
    sent, status = REQUESTS[name]
    costs: list[float] = []
    ordinary: list[float] = []
    # In turn, because a processor that is shared is not always as fast.
    for _ in range(3):
        ordinary.append(cost(any_gateway, ORDINARY, 404))
        costs.append(cost(any_gateway, sent, status))
    # The least is the requests' own: what else the process did meanwhile costs extra.
    assert min(costs) < MOST * min(ordinary), (costs, ordinary)


def cost(process: Process, sent: bytes, status: int) -> float:
    """Milliseconds of CPU of one such request."""
    before = process.cpu_ms
    for _ in range(TIMES):
        assert answered(process, sent) == status
    # By then it waits for the next one, and all that it did is counted.
    time.sleep(0.05)
    return (process.cpu_ms - before) / TIMES


def answered(process: Process, sent: bytes) -> int:
    """With a new connection, which is part of the cost."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=20) as line:
        line.sendall(sent)
        return int(line.recv(65_536).split(b" ", 2)[1])


def answer(line: socket.socket) -> bytes:
    """All of it: a JSON object."""
    received = b""
    while not received.endswith(b"}"):
        received += line.recv(65_536) or pytest.fail(f"ended early: {received!r}")
    return received


@pytest.mark.parametrize("path", ["/v1/connections/authorize", "/v1/connections/callback"])
@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_no_body_is_awaited_without_an_authorization_header(any_gateway: Process, path: str, framing: str) -> None:
    """Nor asked for."""
    sent = f"POST {path} HTTP/1.1\r\nHost: tendon\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", any_gateway.port), timeout=5) as line:
        line.sendall(sent.encode())
        received = answer(line)
    assert received.startswith(b"HTTP/1.1 401 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"] == "unauthenticated"


def test_a_body_that_comes_after_its_answer_is_no_request(any_gateway: Process) -> None:
    smuggled = b"GET /livez HTTP/1.1\r\nHost: tendon\r\n\r\n"
    sent = b"POST /v1/connections/callback HTTP/1.1\r\nHost: tendon\r\nContent-Length: %d\r\n\r\n" % len(smuggled)
    with socket.create_connection(("127.0.0.1", any_gateway.port), timeout=5) as line:
        line.sendall(sent)
        assert answer(line).startswith(b"HTTP/1.1 401 ")
        line.sendall(smuggled + b"GET /nothing HTTP/1.1\r\nHost: tendon\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := line.recv(65_536):
            received += piece
    assert received.startswith(b"HTTP/1.1 404 ")
    assert received.count(b"HTTP/1.1 ") == 1
