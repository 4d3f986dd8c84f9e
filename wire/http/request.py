"""Our requests as they travel (RFC 9112): what stays the same from one to the next is written once for each URL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

import httpx

FIELDS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
    "User-Agent": "Tendon",
}
"""Header fields of every request."""

_VISIBLE: Final = re.compile(r"[ -~]+")
_LINE: Final = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1.1")
_FIELD: Final = re.compile(rb"[!#-'*+.0-9A-Z^-z|~-]+: [\t -~\x80-\xff]*")
_FRAMING: Final = (b"content-length", b"transfer-encoding")


class Origin(NamedTuple):
    """Where connections lead to, and what they are kept by. `host` is an ASCII name or an address without brackets."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Request:
    """`content` is head and body as they travel."""

    origin: Origin
    content: bytes = field(repr=False)


def request(method: str, url: str, *, authorization: str | None = None, form: str | None = None) -> Request:
    """A request for JSON. `form` is encoded already, so ASCII. Raises ValueError when `authorization` can't be sent."""
    origin, head = _opening(method, url)
    if authorization is not None:
        if not _VISIBLE.fullmatch(authorization):
            raise ValueError("the credentials are no header field")
        head = f"{head}Authorization: {authorization}\r\n"
    if form is not None:
        head = f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
    elif method == "POST":
        head += "Content-Length: 0\r\n"
    return Request(origin, f"{head}\r\n{form or ''}".encode("ascii"))


def origin_of(url: httpx.URL) -> Origin:
    port = url.port if url.port is not None else 443 if url.scheme == "https" else 80
    return Origin(url.scheme, url.raw_host.decode("ascii"), port)


@lru_cache(maxsize=256)
def _opening(method: str, url: str) -> tuple[Origin, str]:
    """The request line, and the fields that every request to this URL has."""
    parsed = httpx.URL(url)
    target, host = parsed.raw_path.decode("ascii"), parsed.netloc.decode("ascii")
    fields = "".join(f"{name}: {value}\r\n" for name, value in FIELDS.items())
    return origin_of(parsed), f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}"


def of_httpx(request: httpx.Request, content: bytes) -> Request:
    """`content` is the body whole. Raises httpx.LocalProtocolError for what has an answer without its body, and for
    what would not stay one field."""
    line = b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)
    fields = [b"%s: %s" % field for field in request.headers.raw if field[0].lower() not in _FRAMING]
    if content or request.method not in ("GET", "DELETE"):
        fields.append(b"Content-Length: %d" % len(content))
    if request.method in ("HEAD", "CONNECT") or not _LINE.fullmatch(line) or not all(map(_FIELD.fullmatch, fields)):
        raise httpx.LocalProtocolError("this can't be sent")
    return Request(origin_of(request.url), b"\r\n".join([line, *fields, b"", content]))
