"""A complete response, with its body decoded (RFC 9110 8.4) up to a maximum size.

No compression is asked for, but a body that is compressed with gzip or deflate is read all the same. With any other
label the body stays as it is: many labels are no codings (`utf-8`, `none`, `binary`), and whoever reads the body
decides whether it is usable. A body that is plain JSON stays as it is even if it is labelled `gzip` or `deflate`.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from wire.http.errors import UnreadableResponse

Headers = Sequence[tuple[bytes, bytes]]
"""Header fields in their order, with names in lower case."""

SUCCESSES: Final = range(200, 300)
ERRORS: Final = range(400, 600)
"""The statuses of error responses. A redirect, which is never followed, is neither a success nor an error."""

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
"""Both formats; zlib detects which by the header."""

_GZIP: Final = b"\x1f\x8b"
"""The first bytes of each member of a gzip body."""

_BARE: Final = -zlib.MAX_WBITS
"""Deflate without a header, which some servers send for `deflate`."""

_FORMATS: Final = {
    b"gzip": (_GZIP_OR_ZLIB,),
    b"x-gzip": (_GZIP_OR_ZLIB,),
    b"deflate": (_GZIP_OR_ZLIB, _BARE),
}

MAX_MEMBERS: Final = 100
"""Maximum number of members of a gzip body (RFC 1952 2.2). For each, zlib copies the rest of the body."""

MAX_CODINGS: Final = 5
"""Maximum number of codings applied in sequence. No server needs two, and each takes time."""


class Response(msgspec.Struct, frozen=True, eq=False):
    """`sent_at` is when the request began to be sent, a time of the running loop. `overdue` says that the body was
    incomplete at the deadline, and is left out. The Content-Type is not checked."""

    status: int
    content: bytes
    headers: Headers = ()
    sent_at: float = 0.0
    overdue: bool = False

    def __repr__(self) -> str:
        return f"Response(status={self.status})"

    def header(self, name: str) -> str | None:
        """The first header of this name, which is in lower case; None if there is none."""
        wanted = name.encode("ascii")
        return next((value.decode("latin-1") for each, value in self.headers if each == wanted), None)


def decoded(body: bytes, headers: Headers, max_body: int, status: int) -> bytes:
    """The body without its Content-Encoding, at most `max_body` bytes. Raises UnreadableResponse."""
    labels = b",".join(value for name, value in headers if name == b"content-encoding")
    if not body:
        return body
    codings = [coding for label in labels.lower().split(b",") if (coding := label.strip()) in _FORMATS]
    if len(codings) > MAX_CODINGS:
        raise UnreadableResponse("the body has too many encodings", status)
    # The header lists the codings in the order in which they were applied.
    for coding in reversed(codings):
        body = _inflated(body, _FORMATS[coding], max_body, status)
    return body


def _inflated(body: bytes, formats: tuple[int, ...], max_body: int, status: int) -> bytes:
    for window in formats:
        try:
            plain = _members(body, window, max_body)
        except zlib.error:
            continue
        if plain is None:
            raise UnreadableResponse("the body is too large", status)
        return plain
    if body.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n").startswith(b"{"):
        # Labelled, but never compressed.
        return body
    raise UnreadableResponse("the body does not match its Content-Encoding", status)


def _members(body: bytes, window: int, max_body: int) -> bytes | None:
    """Decompress all members of the body; only gzip can have more than one. Zeros may follow them, as in gzip(1).
    Returns None if the result exceeds `max_body` bytes. Raises zlib.error."""
    plain = b""
    for _ in range(MAX_MEMBERS):
        inflate = zlib.decompressobj(window)
        # One byte over the limit shows that the body is too large.
        plain += inflate.decompress(body, max_body + 1 - len(plain))
        if len(plain) > max_body:
            return None
        rest = inflate.unused_data
        if not inflate.eof or (rest and not body.startswith(_GZIP)):
            break
        if not rest.strip(b"\0"):
            return plain
        body = rest
    raise zlib.error
