"""Where a command serves: its origin, and whether others than this machine can reach it."""

from __future__ import annotations

import ipaddress


def origin_of(host: str, port: int) -> str:
    """Such as http://127.0.0.1:8000."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
