"""Binds the sockets to listen on, for one process or for several workers; and checks of host names."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from typing import Any, Final

# A name such as localhost may resolve to an address that this machine does not have.
_UNAVAILABLE: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Address:
    """Bound sockets for all addresses that `host` and `port` resolve to. Raises OSError when one is in use or unknown.

    `shared` is for several workers. On Linux, each worker has its own listening sockets, and the kernel distributes
    connections among them (SO_REUSEPORT). With one shared socket, the worker that wakes first would accept all waiting
    connections, and keep them for long if they come from a load balancer. On other systems SO_REUSEPORT does not
    distribute connections, so the workers share the sockets.
    """

    def __init__(self, host: str, port: int, *, shared: bool) -> None:
        self._one_per_worker = shared and sys.platform == "linux"
        # First without SO_REUSEPORT, so that a second service fails instead of sharing the port with the first.
        bound = _bind_all(host, port)
        self._addresses = list(bound)
        self._bound = list(bound.values())
        if self._one_per_worker:
            _close_all(self._bound)

    def sockets(self) -> list[socket.socket]:
        """The sockets for the next worker, or for the only process."""
        if not self._one_per_worker:
            return self._bound
        return [_bind(family, address, shared=True) for family, address in self._addresses]

    def close_copies(self, sockets: list[socket.socket]) -> None:
        """Close the parent's copies of a worker's sockets. If they outlived the worker, and no other worker got them,
        the kernel would queue connections that no process accepts."""
        if self._one_per_worker:
            _close_all(sockets)

    def close(self) -> None:
        """Close shared sockets. Otherwise the kernel would accept connections after the last worker has ended."""
        _close_all(self._bound)


def _bind_all(host: str, port: int) -> dict[tuple[int, Any], socket.socket]:
    """One or more sockets, by family and address. Raises OSError."""
    bound: dict[tuple[int, Any], socket.socket] = {}
    unavailable: OSError | None = None
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
        if (family, address) in bound:
            continue
        try:
            bound[family, address] = _bind(family, address, shared=False)
        except OSError as error:
            if error.errno not in _UNAVAILABLE:
                _close_all(list(bound.values()))
                raise
            unavailable = error
    if unavailable and not bound:
        raise unavailable
    return bound


def _bind(family: int, address: Any, *, shared: bool) -> socket.socket:
    """A socket that is bound but does not listen yet, so that clients can't connect before a worker is about to serve
    them."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _close_all(sockets: list[socket.socket]) -> None:
    for listener in sockets:
        listener.close()


def origin_of(host: str, port: int) -> str:
    """The origin (RFC 6454) that is served, such as http://127.0.0.1:8000."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether `host` is a loopback address or localhost, which only this machine can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
