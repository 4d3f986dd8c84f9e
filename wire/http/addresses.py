"""Which addresses may be connected to (SSRF): those of hosts that resolve to nothing but public unicast addresses."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from wire.http.errors import ForbiddenAddress, Unreachable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host and port, in the order in which to try them. Raises TransportFailure."""

LookUp = Callable[[str, int], list[str]]
"""The addresses of a host, whatever they are. Blocks; raises OSError and UnicodeError."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
# Reserved for documentation, relays and protocols, but not listed in every version of Python.
_DOCUMENTATION: Final = IPv6Network("3fff::/20")
_RELAY: Final = IPv4Network("192.88.99.0/24")
_PROTOCOLS: Final = IPv4Network("192.0.0.0/24")

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether `address` is public unicast. If an IPv6 address contains an IPv4 address, that one decides."""
    if isinstance(address, IPv6Address):
        return _is_public_v6(address)
    return address.is_global and not address.is_multicast and address not in _RELAY and address not in _PROTOCOLS


def _is_public_v6(address: IPv6Address) -> bool:
    inside = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        inside = IPv4Address(int(address) & 0xFFFF_FFFF)
    if inside is not None:
        return is_public(inside)
    if address not in _GLOBAL_UNICAST or address.teredo is not None or address in _DOCUMENTATION:
        return False
    return address.is_global and address.scope_id is None


def is_host(host: str) -> bool:
    """Whether `host` is a name or an IP address (IPv6 without brackets).

    `2130706433`, `0x7f.1` and `0177.0.0.1` are neither, although some resolvers read them as 127.0.0.1.
    """
    if _literal(host) is not None:
        return True
    last_label = host.removesuffix(".").rpartition(".")[2]
    return _NAME.fullmatch(host) is not None and _NUMBER.fullmatch(last_label) is None


def may_be_public(host: str) -> bool:
    """Whether `host` is not a private address. What a name resolves to is checked when a connection is opened."""
    address = _literal(host)
    if address is not None:
        return is_public(address)
    name = host.lower().removesuffix(".")
    return name != "localhost" and not name.endswith(".localhost")


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


async def unscreened(host: str, _port: int) -> Sequence[str]:
    """A Resolve that allows every address: for hosts that the operator names, and for development."""
    return [host]


def system_addresses(host: str, port: int) -> list[str]:
    """A LookUp by the operating system."""
    return [str(sockaddr[0]) for *_, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class PublicAddresses:
    """A Resolve that refuses a name unless every one of its addresses is public."""

    def __init__(self, look_up: LookUp = system_addresses) -> None:
        self._look_up = look_up
        self._in_progress: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        addresses = await self._addresses(host, port)
        if not addresses or not all(is_public(ip_address(address)) for address in addresses):
            raise ForbiddenAddress
        return addresses

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Requests for the same name share a look-up, so that a name server that hangs uses one thread per name."""
        found = self._in_progress.get((host, port))
        if found is None:
            found = self._in_progress[host, port] = _look_up_in_thread(self._look_up, host, port)
            found.add_done_callback(lambda _: self._in_progress.pop((host, port)))
        try:
            return await asyncio.shield(found)
        except (OSError, UnicodeError):
            raise Unreachable from None


def _look_up_in_thread(look_up: LookUp, host: str, port: int) -> asyncio.Future[list[str]]:
    """In a new thread. The event loop has few, so look-ups that hang would block all others, and the process would wait
    for them when it exits."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()
    # Otherwise a failure is reported as never retrieved if all requests were cancelled.
    found.add_done_callback(lambda future: future.cancelled() or future.exception())

    def settle(addresses: list[str] | None, failure: Exception | None) -> None:
        if failure is not None:
            found.set_exception(failure)
        else:
            found.set_result(addresses or [])

    def run() -> None:
        try:
            outcome = look_up(host, port), None
        except Exception as failure:  # noqa: BLE001 - raised where the result is awaited
            outcome = None, failure
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name=f"look up {host}", daemon=True).start()
    return found
