"""Connections that break, hang or are cancelled: the failure is reported correctly, and nothing stays open."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
import struct
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from providers.errors import TimedOut, TransportFailure, Unreachable, UnreadableResponse
from tests.wire.http.event_loops import on_a_leaping_clock, on_both_loops, until
from tests.wire.http.fetching import failed, fetch, private_client, soon
from tests.wire.http.loopback import Asked, answering, loopback
from tests.wire.http.responses import CHUNKED, OK
from tests.wire.http.tls import NAME, client_to, server_tls, write_certificate
from wire.http.connections import MAX_CONNECTIONS, Connection
from wire.http.response_reader import ResponseReader
from wire.waiting import SECOND_LOOK

LINGER_NOT = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls"))


End = Callable[[ssl.SSLSocket], None]


def with_an_alert(tls: ssl.SSLSocket) -> None:
    tls.unwrap().close()


def without_an_alert(tls: ssl.SSLSocket) -> None:
    with socket.socket(fileno=tls.detach()) as plain:
        plain.shutdown(socket.SHUT_WR)
        plain.recv(1)


def with_a_reset(tls: ssl.SSLSocket) -> None:
    with socket.socket(fileno=tls.detach()) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)


def with_a_forged_record(tls: ssl.SSLSocket) -> None:
    with socket.socket(fileno=tls.detach()) as plain:
        plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        plain.recv(1)


@asynccontextmanager
async def tls_server(certificate: Path, answer: bytes, end: End) -> AsyncGenerator[int]:
    """Answers one request and ends the connection in ways that asyncio's servers can't. Yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            plain, _ = listener.accept()
            tls = server_tls(certificate, []).wrap_socket(plain, server_side=True)
            tls.recv(10_000)
            tls.sendall(answer)
            end(tls)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


@on_both_loops
async def test_an_answer_without_a_length_ends_with_a_closure_alert(certificate: Path) -> None:
    async with (
        tls_server(certificate, OK + b"\r\n{}", with_an_alert) as port,
        client_to(certificate, "127.0.0.1") as client,
    ):
        assert (await fetch(client, f"https://{NAME}:{port}")).content == b"{}"


@pytest.mark.parametrize("end", [without_an_alert, with_a_reset, with_a_forged_record])
@on_both_loops
async def test_an_answer_without_a_length_does_not_end_in_any_other_way(certificate: Path, end: End) -> None:
    """It may have been cut off on the way (RFC 9112 9.8)."""
    async with tls_server(certificate, OK + b"\r\n{}", end) as port, client_to(certificate, "127.0.0.1") as client:
        failure = await failed(client, f"https://{NAME}:{port}")
    assert failure.sent
    assert "the connection broke" in str(failure)


@pytest.mark.parametrize("end", [with_an_alert, without_an_alert, with_a_reset, with_a_forged_record])
@pytest.mark.parametrize("answer", [b"", OK, OK + b"Content-Length: 3\r\n\r\n{}", CHUNKED + b"2\r\n{}\r\n"])
@on_both_loops
async def test_an_incomplete_answer_is_a_failure(certificate: Path, answer: bytes, end: End) -> None:
    if not answer and end is with_an_alert:
        answer = b"H"
    async with tls_server(certificate, answer, end) as port, client_to(certificate, "127.0.0.1") as client:
        failure = await failed(client, f"https://{NAME}:{port}")
    assert failure.sent
    assert not isinstance(failure, TimedOut)


@on_both_loops
async def test_a_reset_in_the_middle_is_a_failure() -> None:
    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 3\r\n\r\n{}")
        await writer.drain()
        writer.transport.abort()

    async with loopback(respond) as server, private_client() as client:
        assert (await failed(client, server.origin)).sent
        assert len(server.asked) == 1


@on_both_loops
async def test_a_server_that_speaks_first_is_sent_nothing() -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, *server.sockets[0].getsockname())
        await asyncio.wait_for(connection.lost, 10)
        reader = ResponseReader(1000)
        with pytest.raises(Unreachable):
            await connection.exchange(b"never", reader, deadline=soon(10), latest=math.inf)
        assert not reader.sent_at


# Time


@on_a_leaping_clock
async def test_the_next_address_is_tried_after_a_hanging_handshake(certificate: Path) -> None:
    async with loopback(answering(b"{}"), tls=server_tls(certificate, [])) as server:
        with socket.create_server(("127.0.0.2", server.port)):
            began = soon(0)
            async with client_to(certificate, "127.0.0.2", "127.0.0.1", connect_timeout=3) as client:
                assert (await fetch(client, f"https://{NAME}:{server.port}")).content == b"{}"
        assert soon(0) - began == pytest.approx(3 + SECOND_LOOK)


@on_both_loops
async def test_a_handshake_that_hangs_at_every_address_is_a_time_out(certificate: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        async with client_to(certificate, "127.0.0.2", "127.0.0.2", connect_timeout=0.05) as client:
            failure = await failed(client, f"https://{NAME}:{server.getsockname()[1]}")
    assert isinstance(failure, TimedOut)
    assert not failure.sent


@on_both_loops
async def test_a_request_that_waits_for_a_connection_has_sent_nothing() -> None:
    async def silence(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with loopback(silence) as server, private_client() as client:
        taken = [asyncio.create_task(fetch(client, server.origin)) for _ in range(MAX_CONNECTIONS)]
        await until(lambda: len(server.asked) == MAX_CONNECTIONS)
        late = await asyncio.gather(*(failed(client, server.origin, seconds=0.05) for _ in range(10)))
        assert len(server.asked) == MAX_CONNECTIONS
        for task in taken:
            task.cancel()
        await asyncio.gather(*taken, return_exceptions=True)
    assert [(type(failure), failure.sent) for failure in late] == [(TimedOut, False)] * 10


# Too much


@pytest.mark.parametrize("secure", [False, True])
@on_both_loops
async def test_an_endless_answer_is_read_up_to_a_limit(certificate: Path, secure: bool) -> None:
    written = 0

    async def flood(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(CHUNKED)
        while not writer.is_closing():
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()
            written += 0x10000

    tls = server_tls(certificate, []) if secure else None
    ours = client_to(certificate, "127.0.0.1") if secure else private_client()
    async with loopback(flood, tls=tls) as server, ours as client:
        url = f"https://{NAME}:{server.port}" if secure else server.origin
        with pytest.raises(UnreadableResponse, match="too large"):
            await fetch(client, url)
        await server.settled()
    # What the kernel holds between us comes on top.
    assert written < 32 << 20


@on_both_loops
async def test_an_answer_that_arrives_together_with_the_end_is_read(certificate: Path) -> None:
    """Much is not parsed yet when the connection is closed, and is parsed all the same."""
    body = b"1\r\nx\r\n" * 40_000

    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + body + b"0\r\n\r\n")
        writer.close()

    async with loopback(respond) as server, private_client() as client:
        assert len((await fetch(client, server.origin)).content) == 40_000

    async def unfinished(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + body)
        writer.close()

    async with loopback(unfinished) as server, private_client() as client:
        with pytest.raises(TransportFailure) as raised:
            await fetch(client, server.origin)
    assert raised.value.sent
