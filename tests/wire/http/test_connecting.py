"""Requests by name to screened addresses: what the server gets, and what is never shared."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from providers.errors import Unreachable
from tests.wire.http.event_loops import until
from tests.wire.http.loopback import Asked, answering, loopback
from tests.wire.http.tls import NAME, client_to, close_after_handshake, server_tls, write_certificate
from wire.http.client import Client, open_client, request
from wire.http.connecting import trusted_authorities
from wire.http.connections import MAX_CONNECTIONS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls"))


async def fetch(client: Client, host: str, port: int) -> int:
    asking = request("GET", f"https://{host}:{port}/path?query")
    return (await client.send(asking, deadline=asyncio.get_running_loop().time() + 5)).status


async def test_host_header_and_handshake_use_the_name(certificate: Path) -> None:
    names: list[str | None] = []
    tls = server_tls(certificate, names)
    async with loopback(answering(b"{}"), tls=tls) as server, client_to(certificate, "127.0.0.1") as client:
        assert [await fetch(client, NAME, server.port) for _ in range(2)] == [200, 200]
    assert names == [NAME]
    assert [asked.headers["host"] for asked in server.asked] == [f"{NAME}:{server.port}"] * 2
    assert server.asked[0].line == "GET /path?query HTTP/1.1"


async def test_only_http_1_1_is_offered(certificate: Path) -> None:
    tls = server_tls(certificate, [])
    tls.set_alpn_protocols(["h2", "http/1.1"])
    chosen: list[str | None] = []

    async def respond(asked: Asked, writer: asyncio.StreamWriter) -> None:
        chosen.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await answering(b"{}")(asked, writer)

    async with loopback(respond, tls=tls) as server, client_to(certificate, "127.0.0.1") as client:
        assert await fetch(client, NAME, server.port) == 200
    assert chosen == ["http/1.1"]


async def test_a_connection_that_closes_before_the_request_is_sent(certificate: Path) -> None:
    """It counts as refused: the request is sent on a second connection if it may be."""
    tls = server_tls(certificate, [])
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await close_after_handshake(tls, reader, writer)

    async with await asyncio.start_server(serve, "127.0.0.1") as server, client_to(certificate, "127.0.0.1") as client:
        asking = request("GET", f"https://{NAME}:{server.sockets[0].getsockname()[1]}/")
        for retry_refused, expected in ((False, 1), (True, 3)):
            deadline = asyncio.get_running_loop().time() + 5
            with pytest.raises(Unreachable) as raised:
                await client.send(asking, deadline=deadline, retry_refused=retry_refused)
            assert not raised.value.sent
            assert connections == expected


async def test_a_connection_for_one_name_is_never_used_for_another(certificate: Path) -> None:
    tls = server_tls(certificate, [])
    async with loopback(answering(b"{}"), tls=tls) as server, client_to(certificate, "127.0.0.1") as client:
        assert await fetch(client, NAME, server.port) == 200
        # The same address, but the certificate isn't for this name.
        with pytest.raises(Unreachable):
            await fetch(client, "api.other.example", server.port)
    assert len(server.asked) == 1


async def test_without_a_context_only_known_authorities_are_trusted(certificate: Path) -> None:
    async with loopback(answering(b"{}"), tls=server_tls(certificate, [])) as server:
        async with open_client(allow_private=True, timeout=5) as client:
            with pytest.raises(Unreachable):
                await fetch(client, "localhost", server.port)
        assert server.asked == []
    assert trusted_authorities().cert_store_stats()["x509_ca"] > 50
    assert trusted_authorities() is trusted_authorities()


async def test_the_next_address_is_tried(certificate: Path) -> None:
    async with loopback(answering(b"{}"), tls=server_tls(certificate, [])) as server:
        async with client_to(certificate, "127.0.0.2", "127.0.0.3", "127.0.0.1") as client:
            assert await fetch(client, NAME, server.port) == 200
        async with client_to(certificate, "127.0.0.2", "127.0.0.3") as client:
            with pytest.raises(Unreachable):
                await fetch(client, NAME, server.port)


async def test_a_hung_host_does_not_use_up_the_connections_of_others(certificate: Path) -> None:
    tls = server_tls(certificate, [])
    # It waits for a request line and never speaks TLS.
    async with (
        loopback(answering(b"")) as hung,
        loopback(answering(b"{}"), tls=tls) as server,
        client_to(certificate, "127.0.0.1") as client,
    ):
        waiting = [asyncio.create_task(fetch(client, NAME, hung.port)) for _ in range(MAX_CONNECTIONS + 4)]
        await until(lambda: hung.connections == MAX_CONNECTIONS)
        assert await fetch(client, NAME, server.port) == 200
        # In the middle of their handshakes: no socket may be left open.
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await until(lambda: hung.open == 0)
    assert hung.connections == MAX_CONNECTIONS


async def test_bytes_after_an_answer_under_tls_never_belong_to_the_next(certificate: Path) -> None:
    """They are in a TLS record of their own, which has not been read yet when the answer is complete."""

    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        for status in (200, 418):
            writer.write(b"HTTP/1.1 %d\r\nContent-Length: 0\r\n\r\n" % status)

    tls = server_tls(certificate, [])
    async with loopback(respond, tls=tls) as server, client_to(certificate, "127.0.0.1") as client:
        assert [await fetch(client, NAME, server.port) for _ in range(5)] == [200] * 5
