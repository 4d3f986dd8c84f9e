"""Requests by name to screened addresses: what the server gets, and what is never shared."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from providers.errors import ForbiddenAddress, Unreachable
from tests.providers.provider_loopback import Asked, answering, loopback
from tests.providers.provider_tls import NAME, client_to, server_tls, write_certificate
from wire.http.addresses import PublicAddresses, is_public
from wire.http.client import Client
from wire.http.request import request


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


async def test_a_connection_for_one_name_is_never_used_for_another(certificate: Path) -> None:
    tls = server_tls(certificate, [])
    async with loopback(answering(b"{}"), tls=tls) as server, client_to(certificate, "127.0.0.1") as client:
        assert await fetch(client, NAME, server.port) == 200
        # The same address, but the certificate isn't for this name.
        with pytest.raises(Unreachable):
            await fetch(client, "api.other.example", server.port)
    assert len(server.asked) == 1


async def test_the_next_address_is_tried(certificate: Path) -> None:
    async with loopback(answering(b"{}"), tls=server_tls(certificate, [])) as server:
        async with client_to(certificate, "127.0.0.2", "127.0.0.3", "127.0.0.1") as client:
            assert await fetch(client, NAME, server.port) == 200
        async with client_to(certificate, "127.0.0.2", "127.0.0.3") as client:
            with pytest.raises(Unreachable):
                await fetch(client, NAME, server.port)


async def test_a_hung_host_does_not_use_up_the_connections_of_others(certificate: Path) -> None:
    tls = server_tls(certificate, [])
    hung = socket.create_server(("127.0.0.1", 0), backlog=200)
    async with loopback(answering(b"{}"), tls=tls) as server, client_to(certificate, "127.0.0.1") as client:
        waiting = [asyncio.create_task(fetch(client, NAME, hung.getsockname()[1])) for _ in range(100)]
        await asyncio.sleep(0.05)
        assert await fetch(client, NAME, server.port) == 200
        # In the middle of their handshakes: no socket may be left open.
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    hung.close()


async def test_bytes_after_an_answer_under_tls_never_belong_to_the_next(certificate: Path) -> None:
    """They are in a TLS record of their own, which has not been read yet when the answer is complete."""

    async def respond(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        for status in (200, 418):
            writer.write(b"HTTP/1.1 %d\r\nContent-Length: 0\r\n\r\n" % status)

    tls = server_tls(certificate, [])
    async with loopback(respond, tls=tls) as server, client_to(certificate, "127.0.0.1") as client:
        assert [await fetch(client, NAME, server.port) for _ in range(5)] == [200] * 5


async def test_a_name_resolves_to_public_addresses_or_is_refused() -> None:
    resolve = PublicAddresses()
    assert await resolve("8.8.8.8", 443) == ["8.8.8.8"]
    for host in ("localhost", "127.1", "2130706433"):
        with pytest.raises(ForbiddenAddress):
            await resolve(host, 443)
    for nowhere in ("no such name", "a..b"):
        # Twice at once: they share the look-up.
        for failure in await asyncio.gather(*(resolve(nowhere, 443) for _ in range(2)), return_exceptions=True):
            assert isinstance(failure, Unreachable)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "::ffff:10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::808:808",
        "100::1",
        "2001:0:808:808::1",
        "2001:db8::1",
        "2002:a00:1::1",
        "3fff::1",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
