"""From a provider's host to the addresses that may be connected to (SSRF)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from wire.http.addresses import is_public
from wire.http.errors import ForbiddenAddress, Unreachable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses for a host and port, in the order of trying. Raises TransportFailure."""

LookUp = Callable[[str, int], list[str]]
"""The addresses that a host's name has, whatever they are. Blocks; raises OSError and UnicodeError."""


async def as_written(host: str, _port: int) -> Sequence[str]:
    """The host itself, whatever it leads to. For development only."""
    return [host]


def system_addresses(host: str, port: int) -> list[str]:
    """A LookUp as the operating system does it."""
    return [str(sockaddr[0]) for *_, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class PublicAddresses:
    """A Resolve that refuses a name unless every one of its addresses is public."""

    def __init__(self, look_up: LookUp = system_addresses) -> None:
        self._look_up = look_up
        self._under_way: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        addresses = await self._addresses(host, port)
        if not addresses or not all(is_public(ip_address(address)) for address in addresses):
            raise ForbiddenAddress
        return addresses

    async def _addresses(self, host: str, port: int) -> list[str]:
        """One look-up a name at a time: a name server that hangs holds one thread a name, however many ask."""
        found = self._under_way.get((host, port))
        if found is None:
            found = self._under_way[host, port] = _looking_up(self._look_up, host, port)
            found.add_done_callback(lambda _: self._under_way.pop((host, port)))
        try:
            return await asyncio.shield(found)
        except (OSError, UnicodeError):
            raise Unreachable from None


def _looking_up(look_up: LookUp, host: str, port: int) -> asyncio.Future[list[str]]:
    """In a thread of its own: the loop's are few, so that some look-ups that hang would hold up all others, and the
    process would wait for them when it ends."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()
    # Those who asked may have gone before it fails.
    found.add_done_callback(lambda future: future.cancelled() or future.exception())

    def settle(addresses: list[str] | None, failure: Exception | None) -> None:
        if failure is not None:
            found.set_exception(failure)
        else:
            found.set_result(addresses or [])

    def run() -> None:
        try:
            outcome = look_up(host, port), None
        except Exception as failure:  # noqa: BLE001 - raised where it was asked for
            outcome = None, failure
        with contextlib.suppress(RuntimeError):  # the loop may have closed meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name=f"look-up of {host}", daemon=True).start()
    return found
