"""A request as it is sent (RFC 9112). What is the same for every request to one URL is formatted only once."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

import httpx

_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
    "User-Agent": "Tendon",
}
"""Sent with every request."""

_PRINTABLE: Final = re.compile(r"[ -~]+")


class Origin(NamedTuple):
    """A server to connect to. Connections are kept per origin. `host` is an ASCII name, or an IP address without
    brackets."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Request:
    """`content` is the head and the body as they are sent."""

    origin: Origin
    content: bytes = field(repr=False)


def request(method: str, url: str, *, authorization: str | None = None, form: str | None = None) -> Request:
    """A request for JSON. `form` is already form-encoded, and therefore ASCII.

    Raises ValueError if `authorization` is not printable ASCII.
    """
    origin, head = _start(method, url)
    if authorization is not None:
        if not _PRINTABLE.fullmatch(authorization):
            raise ValueError("the credentials can't be sent in a header")
        head = f"{head}Authorization: {authorization}\r\n"
    if form is not None:
        head = f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
    elif method == "POST":
        head += "Content-Length: 0\r\n"
    return Request(origin, f"{head}\r\n{form or ''}".encode("ascii"))


@lru_cache(maxsize=256)
def basic_credentials(client_id: str, client_secret: str) -> str:
    """An OAuth client's credentials for the Authorization header (RFC 6749 2.3.1): HTTP Basic with both parts
    form-encoded. A space becomes `%20`, since not all servers decode `+`."""
    pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
    return f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"


@lru_cache(maxsize=256)
def _start(method: str, url: str) -> tuple[Origin, str]:
    """The request line, and the headers of every request."""
    parsed = httpx.URL(url)
    target, host = parsed.raw_path.decode("ascii"), parsed.netloc.decode("ascii")
    headers = "".join(f"{name}: {value}\r\n" for name, value in _HEADERS.items())
    port = parsed.port if parsed.port is not None else 443 if parsed.scheme == "https" else 80
    origin = Origin(parsed.scheme, parsed.raw_host.decode("ascii"), port)
    return origin, f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}"
