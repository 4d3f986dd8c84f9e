"""Which addresses on the internet we may call: public unicast ones, and no other in whatever form they are written."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
# Set aside for documentation, relays and protocols: missing in some of the lists that Python ships.
_DOCUMENTATION: Final = IPv6Network("3fff::/20")
_RELAY: Final = IPv4Network("192.88.99.0/24")
_PROTOCOLS: Final = IPv4Network("192.0.0.0/24")

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether `address` is public unicast. An IPv6 address that wraps an IPv4 one is judged by the one inside."""
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

    `2130706433`, `0x7f.1` or `0177.0.0.1` are neither, though some resolvers take them for 127.0.0.1.
    """
    if _literal(host) is not None:
        return True
    last_label = host.removesuffix(".").rpartition(".")[2]
    return _NAME.fullmatch(host) is not None and _NUMBER.fullmatch(last_label) is None


def may_be_public(host: str) -> bool:
    """Whether `host` as written isn't a private address. Where a name leads shows only when it is resolved."""
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
