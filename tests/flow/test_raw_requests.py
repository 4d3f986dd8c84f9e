"""Hand-written requests, as clients, proxies and attackers send them, sent to a gateway as bytes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Person, begin
from tests.interfaces import DOCUMENTS, Interface, Rest
from tests.processes import Process
from tests.sandbox_control import Sandbox

UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA")
MEDIA = "Content-Type: application/json"


def call(api: Interface, callback: dict[str, Any]) -> tuple[str, bytes]:
    """The path of a callback, and its body."""
    if isinstance(api, Rest):
        return "/v1/connections/callback", json.dumps(callback).encode()
    query = {"query": DOCUMENTS["CompleteConnection"], "variables": {"input": callback}}
    return "/graphql", json.dumps(query).encode()


def sized(path: str, body: bytes, *fields: str) -> bytes:
    return _head(path, *fields, f"Content-Length: {len(body)}") + body


def chunked(path: str, body: bytes, *fields: str, trailers: str = "") -> bytes:
    chunks = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n" + trailers.encode() + b"\r\n"
    return _head(path, *fields, "Transfer-Encoding: chunked") + chunks


def _head(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: tendon", *fields, "", ""]).encode()


def exchange(process: Process, *parts: bytes) -> httpx.Response:
    """Send the parts, each in its own packet, and read one answer."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=20) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            line.sendall(part)
            time.sleep(0.02)
        reader = line.makefile("rb")
        status = int(reader.readline().split()[1])
        fields = (field.partition(b": ") for field in iter(lambda: reader.readline().rstrip(), b""))
        headers = [(name, value) for name, _, value in fields]
        response = httpx.Response(status, headers=headers)
        return httpx.Response(status, headers=headers, content=reader.read(int(response.headers["content-length"])))


def code(response: httpx.Response) -> str:
    body = response.json()
    return body["errors"][0]["extensions"]["code"] if "errors" in body else body["error"].upper()


@pytest.mark.parametrize("framed", [sized, chunked])
async def test_a_callback_with_an_upgrade(
    any_api: Interface, any_gateway: Process, sandbox: Sandbox, someone: Person, framed: Callable[..., bytes]
) -> None:
    """With the body in the same packet as the head, and in the next one, where Java's client sends it."""
    for at in (0, 1):
        person = Person(f"{someone.id}-{at}")
        path, body = call(any_api, await begin(any_api, sandbox, person))
        sent = framed(path, body, *UPGRADE, MEDIA, f"Authorization: Bearer {person.token}")
        head = sent.find(b"\r\n\r\n") + 4
        response = exchange(any_gateway, sent) if at else exchange(any_gateway, sent[:head], sent[head:])
        assert response.status_code in (200, 201)
        assert person.id in response.text


async def test_a_body_runs_as_nobody(any_gateway: Process, someone: Person) -> None:
    """It would swallow the next request on the connection, and run with its bearer token."""
    smuggled = f"GET /v1/connections?userId={someone.id} HTTP/1.1\r\nHost: tendon\r\nX-Swallow: ".encode()
    known = "Authorization: Bearer dev:mallory"
    upgrading = sized("/v1/connections/callback", smuggled, "Connection: Upgrade", "Upgrade: websocket", MEDIA, known)
    following = f"GET /livez HTTP/1.1\r\nHost: tendon\r\nAuthorization: Bearer {someone.token}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", any_gateway.port), timeout=20) as line:
        line.sendall(upgrading)
        line.sendall(following)
        received = b""
        while b'{"status":"ok"}' not in received:
            received += line.recv(65536) or pytest.fail(f"ended early: {received!r}")
    assert received.count(b"HTTP/1.1 ") == 2
    assert received.startswith(b"HTTP/1.1 400 ")
    assert someone.id.encode() not in received


@pytest.mark.parametrize(
    ("fields", "trailers", "expected"),
    [
        ((MEDIA,), "Authorization: Bearer {token}\r\n", "UNAUTHENTICATED"),
        (("Authorization: Bearer {token}",), f"{MEDIA}\r\n", "UNSUPPORTED_MEDIA_TYPE"),
        ((MEDIA, "Authorization: Bearer {token}"), "Authorization: Bearer dev:mallory\r\nContent-Type: x\r\n", None),
        ((MEDIA, "Authorization: Bearer {token}"), "Content-Length: 5\r\nTransfer-Encoding: x\r\nHost: x\r\n", None),
    ],
    ids=["bearer", "media type", "a second one", "framing"],
)
async def test_a_trailer_is_no_header(
    any_api: Interface,
    any_gateway: Process,
    sandbox: Sandbox,
    someone: Person,
    fields: tuple[str, ...],
    trailers: str,
    expected: str | None,
) -> None:
    path, body = call(any_api, await begin(any_api, sandbox, someone))
    fields = tuple(field.format(token=someone.token) for field in fields)
    sent = chunked(
        path,
        body,
        *fields,
        "Accept: application/graphql-response+json, */*",
        trailers=trailers.format(token=someone.token),
    )
    response = exchange(any_gateway, sent)
    if expected:
        assert code(response) == expected
    else:
        assert response.status_code in (200, 201)
        assert someone.id in response.text


async def test_accept_in_two_lines(any_gateway: Process) -> None:
    sent = sized("/graphql", b'{"query": "{ __typename }"}', MEDIA, "Accept: text/html", "Accept: application/json")
    response = exchange(any_gateway, sent)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    sent = sized("/graphql", b'{"query": "{ __typename }"}', MEDIA, "Accept: text/html", "Accept: image/png")
    assert exchange(any_gateway, sent).status_code == 406


@pytest.mark.parametrize("fields", [("Content-Type: text/plain", MEDIA), (MEDIA, "Content-Type: text/plain")])
async def test_two_media_types_are_none(any_gateway: Process, fields: tuple[str, ...]) -> None:
    assert exchange(any_gateway, sized("/graphql", b"{}", *fields)).status_code == 415


@pytest.mark.parametrize("media", ["application/json; v=1; charset=utf-8", 'application/json; profile="a;b"'])
async def test_other_parameters_of_the_media_type(any_gateway: Process, media: str) -> None:
    sent = sized("/graphql", b'{"query": "{ __typename }"}', f"Content-Type: {media}")
    assert exchange(any_gateway, sent).json() == {"data": {"__typename": "Query"}}


CHUNKED = _head("/graphql", MEDIA, "Transfer-Encoding: chunked")
FLOODS = {
    "trailers": (CHUNKED + b"0\r\n", b"X-Trailer: " + b"x" * 500 + b"\r\n"),
    "one trailer": (CHUNKED + b"0\r\nX: ", b"x" * 500),
    "extensions": (CHUNKED, b"1;" + b"x" * 500 + b"\r\na\r\n"),
    "one extension": (CHUNKED + b"1;", b"x" * 500),
    "headers": (b"POST / HTTP/1.1\r\nHost: x\r\n", b"a:\r\n"),
    "one header": (b"POST / HTTP/1.1\r\nHost: x\r\nA: ", b"a" * 500),
    "blank lines": (b"", b"\r\n" * 250),
    "a body": (CHUNKED, b"1f4\r\n" + b"x" * 500 + b"\r\n"),
    "a body with an upgrade": (
        _head("/graphql", MEDIA, *UPGRADE, "Content-Length: 100000000"),
        b"x" * 500,
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_costs_no_memory(any_gateway: Process, name: str) -> None:
    """75 MB on one connection, as long as the gateway reads them."""
    begin, piece = FLOODS[name]
    # Resets the peak.
    Path(f"/proc/{any_gateway.pid}/clear_refs").write_text("5")
    before = peak_mb(any_gateway.pid)
    many = piece * (100_000 // len(piece))
    with socket.create_connection(("127.0.0.1", any_gateway.port), timeout=20) as line, suppress(ConnectionError):
        line.sendall(begin)
        for _ in range(750):
            line.sendall(many)
    assert peak_mb(any_gateway.pid) - before < 10
    assert httpx.get(f"{any_gateway.origin}/livez", trust_env=False).status_code == 200


def peak_mb(pid: int) -> float:
    """The peak memory of the process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
