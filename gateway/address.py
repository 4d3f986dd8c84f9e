"""The address that several workers serve: how they share it."""

from __future__ import annotations

import socket
import sys
from typing import Any


class Address:
    """What `host` and `port` stand for. Raises OSError when it is taken.

    On Linux each worker listens on sockets of its own, among which the kernel spreads the connections. On one that they
    share, whoever wakes first takes all that are there, and balancers keep theirs for long. Elsewhere it is the kernel
    that gives them all to one, so they share.
    """

    _own = sys.platform == "linux"

    def __init__(self, host: str, port: int) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self._places = list(dict.fromkeys((family, place) for family, _, _, _, place in found))
        # Not shared, so that a second service does not slip in beside a first one.
        self._bound = self._bind(shared=False)
        if self._own:
            self.close(self._bound)

    def sockets(self) -> list[socket.socket]:
        """For the next worker."""
        return self._bind(shared=True) if self._own else self._bound

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

    def _bind(self, *, shared: bool) -> list[socket.socket]:
        return [_listener(family, place, shared=shared) for family, place in self._places]


def _listener(family: int, place: Any, *, shared: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(place)
    return listener
