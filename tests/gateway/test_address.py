"""Sockets to listen on, for one process and for several workers; and which hosts only this machine can reach."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Generator
from contextlib import closing

import pytest

from gateway.address import Address, is_loopback, origin_of

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not distribute connections")


@pytest.fixture
def taken() -> Generator[int]:
    """A port that another process listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        yield other.getsockname()[1]


@pytest.fixture
def port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        return other.getsockname()[1]


def test_one_process_has_one_socket_that_does_not_listen_yet(port: int) -> None:
    address = Address("127.0.0.1", port, shared=False)
    [listener] = address.sockets()
    assert address.sockets() == [listener]
    assert listener.getsockname() == ("127.0.0.1", port)
    assert not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    address.close_copies([listener])
    assert listener.fileno() >= 0
    address.close()
    assert listener.fileno() < 0


@LINUX
def test_each_worker_has_a_socket_of_its_own(port: int) -> None:
    address = Address("127.0.0.1", port, shared=True)
    first, second = address.sockets(), address.sockets()
    assert [each.getsockname() for each in (*first, *second)] == [("127.0.0.1", port)] * 2
    assert first[0] is not second[0]
    # The parent keeps none, or the kernel would queue connections that nobody accepts.
    address.close_copies(first)
    assert first[0].fileno() < 0
    assert second[0].fileno() >= 0
    address.close_copies(second)
    address.close()
    with closing(socket.create_server(("127.0.0.1", port))):
        pass


@pytest.mark.parametrize("shared", [False, True])
def test_an_address_in_use(taken: int, shared: bool) -> None:
    with pytest.raises(OSError) as refusal:  # noqa: PT011 - the number says which
        Address("127.0.0.1", taken, shared=shared)
    assert refusal.value.errno == errno.EADDRINUSE


@LINUX
def test_a_second_service_does_not_share_the_port(port: int) -> None:
    first = Address("127.0.0.1", port, shared=True)
    [listener] = first.sockets()
    listener.listen()
    with pytest.raises(OSError) as refusal:  # noqa: PT011
        Address("127.0.0.1", port, shared=True)
    assert refusal.value.errno == errno.EADDRINUSE
    first.close_copies([listener])


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """A name that stands for these addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        return [*found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


# 192.0.2.1 is for documentation (RFC 5737), so no machine has it.
def test_addresses_that_this_machine_does_not_have_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "192.0.2.1", "127.0.0.1", "127.0.0.1")
    address = Address("some.example", 0, shared=False)
    assert [each.getsockname()[0] for each in address.sockets()] == ["127.0.0.1"]
    address.close()


def test_a_name_of_which_this_machine_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "192.0.2.1")
    with pytest.raises(OSError) as refusal:  # noqa: PT011
        Address("some.example", 0, shared=False)
    assert refusal.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("localhost", "http://localhost:8000"),
        ("::1", "http://[::1]:8000"),
    ],
)
def test_the_origin(host: str, origin: str) -> None:
    assert origin_of(host, 8000) == origin


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_what_only_this_machine_can_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
