"""Decodes the body of an answer, decompressing it no further than the cap (RFC 9110 8.4).

We ask for no compression. A compressed body is still read if it is gzip or deflate. With any other label the body stays
as it is: many labels name no coding (`utf-8`, `none`, `binary`), and the reader of the body decides whether it is
usable. A body that is plain JSON stays as it is even if it is labelled `gzip` or `deflate`.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from wire.http.errors import UnreadableResponse
from wire.http.response_reader import Incoming

_SUCCESS: Final = range(200, 300)
_FAILURE: Final = range(400, 600)

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


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response, its body decoded. The Content-Type is ignored: the body is JSON or unreadable.

    `sent_at` is when sending the request began, a time of the running loop. `fields` are the header fields, with names
    in lower case. `overdue` says that the body was still incomplete at the deadline, and is left out.
    """

    status: int
    content: bytes = field(repr=False)
    sent_at: float = field(default=0.0, compare=False)
    fields: Sequence[tuple[bytes, bytes]] = field(default=(), compare=False, repr=False)
    overdue: bool = False

    @property
    def succeeded(self) -> bool:
        return self.status in _SUCCESS

    @property
    def failed(self) -> bool:
        """4xx or 5xx. A redirect, which is never followed, neither succeeded nor failed."""
        return is_failure(self.status)

    def header(self, name: str) -> str | None:
        """The first field of this name, in lower case; None when there is none."""
        wanted = name.encode("ascii")
        return next((value.decode("latin-1") for each, value in self.fields if each == wanted), None)


def is_failure(status: int) -> bool:
    return status in _FAILURE


def decoded(incoming: Incoming, cap: int) -> bytes:
    """At most `cap` bytes. Raises UnreadableResponse."""
    body = incoming.body
    labels = b",".join(value for name, value in incoming.fields if name == b"content-encoding")
    if not labels or not body:
        return body
    codings = [coding for label in labels.lower().split(b",") if (coding := label.strip()) in _FORMATS]
    if len(codings) > MAX_CODINGS:
        raise UnreadableResponse("the body has too many encodings", incoming.status)
    # The header lists the codings in the order in which they were applied.
    for coding in reversed(codings):
        body = _inflated(body, _FORMATS[coding], cap, incoming.status)
    return body


def _inflated(body: bytes, formats: tuple[int, ...], cap: int, status: int) -> bytes:
    for window in formats:
        try:
            plain = _members(body, window, cap)
        except zlib.error:
            continue
        if plain is None:
            raise UnreadableResponse("the body is too large", status)
        return plain
    if body.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n").startswith(b"{"):
        # Labelled, but never compressed.
        return body
    raise UnreadableResponse("the body does not match its Content-Encoding", status)


def _members(body: bytes, window: int, cap: int) -> bytes | None:
    """Decompress all members of the body; only gzip can have more than one. Zeros may follow them, as in gzip(1).
    Returns None if the result exceeds `cap` bytes. Raises zlib.error."""
    plain = b""
    for _ in range(MAX_MEMBERS):
        inflate = zlib.decompressobj(window)
        # One byte over the limit shows that the body is too large.
        plain += inflate.decompress(body, cap + 1 - len(plain))
        if len(plain) > cap:
            return None
        rest = inflate.unused_data
        if not inflate.eof or (rest and not body.startswith(_GZIP)):
            break
        if not rest.strip(b"\0"):
            return plain
        body = rest
    raise zlib.error
