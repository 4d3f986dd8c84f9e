"""From a provider's host to the addresses that may be connected to (SSRF)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from providers.addresses import is_public
from providers.errors import ForbiddenAddress, Unreachable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses for a host and port, in the order of trying. Raises TransportFailure."""


async def as_written(host: str, _port: int) -> Sequence[str]:
    """The host itself, whatever it leads to. For development only."""
    return [host]


class PublicAddresses:
    """A Resolve that refuses a name unless every one of its addresses is public."""

    def __init__(self) -> None:
        self._lookups: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        addresses = await self._look_up(host, port)
        if not addresses or not all(is_public(ip_address(address)) for address in addresses):
            raise ForbiddenAddress
        return addresses

    async def _look_up(self, host: str, port: int) -> list[str]:
        """One look-up a name at a time: each takes a thread, and a name server that hangs must not take them all."""
        lookup = self._lookups.get((host, port))
        if lookup is None:
            lookup = asyncio.create_task(_addresses(host, port))
            self._lookups[host, port] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop((host, port)))
        try:
            return await asyncio.shield(lookup)
        except (OSError, UnicodeError):
            raise Unreachable from None


async def _addresses(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]
