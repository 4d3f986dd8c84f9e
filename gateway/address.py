"""The address that is served: by one process alone, or by several that share it."""

from __future__ import annotations

import errno
import socket
import sys
from typing import Any, Final

# What a name such as localhost stands for may be more than this machine has.
_NOT_HERE: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Address:
    """What `host` and `port` stand for. Raises OSError when it is taken or unknown.

    `shared` is for several workers. On Linux each listens on sockets of its own, among which the kernel spreads the
    connections. On one that they share, whoever wakes first takes all that are there, and balancers keep theirs for
    long. Elsewhere it is the kernel that gives them all to one, so they share.
    """

    def __init__(self, host: str, port: int, *, shared: bool) -> None:
        self._own = shared and sys.platform == "linux"
        # Not shared, so that a second service does not slip in beside a first one.
        bound = _bound(host, port)
        self._places = list(bound)
        self._bound = list(bound.values())
        if self._own:
            self.close(self._bound)

    def sockets(self) -> list[socket.socket]:
        """For the next worker, or for the one process."""
        return [_listener(*place, shared=True) for place in self._places] if self._own else self._bound

    def forget(self, listeners: list[socket.socket]) -> None:
        """They are the worker's now, so that they end with it and nobody waits where nobody answers."""
        if self._own:
            self.close(listeners)

    def leave(self) -> None:
        """Else the kernel would go on taking connections when the last worker has gone."""
        self.close(self._bound)

    @staticmethod
    def close(listeners: list[socket.socket]) -> None:
        for listener in listeners:
            listener.close()


def _bound(host: str, port: int) -> dict[tuple[int, Any], socket.socket]:
    """By family and place, at least one. Raises OSError."""
    bound: dict[tuple[int, Any], socket.socket] = {}
    missing: OSError | None = None
    for family, _, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
        if (family, place) in bound:
            continue
        try:
            bound[family, place] = _listener(family, place, shared=False)
        except OSError as fault:
            if fault.errno not in _NOT_HERE:
                Address.close(list(bound.values()))
                raise
            missing = fault
    if missing and not bound:
        raise missing
    return bound


def _listener(family: int, place: Any, *, shared: bool) -> socket.socket:
    """Bound. It does not listen yet: who connects is to be answered soon."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        _bind(listener, place, shared=shared)
    except OSError:
        listener.close()
        raise
    return listener


def _bind(listener: socket.socket, place: Any, *, shared: bool) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(place)
