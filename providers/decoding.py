"""Decodes the body of an answer, decompressing it no further than the cap (RFC 9110 8.4).

We ask for no compression. A compressed body is still read if it is gzip or deflate. With any other label the body stays
as it is: many labels name no coding (`utf-8`, `none`, `binary`), and the reader of the body decides whether it is
usable. A body that is plain JSON stays as it is even if it is labelled `gzip` or `deflate`.
"""

from __future__ import annotations

import codecs
import zlib
from typing import Final

from providers.errors import UnreadableAnswer
from providers.incoming import Incoming

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


def decoded(incoming: Incoming, cap: int) -> bytes:
    """At most `cap` bytes. Raises UnreadableAnswer."""
    body = incoming.body
    labels = b",".join(value for name, value in incoming.fields if name == b"content-encoding")
    if not labels or not body:
        return body
    codings = [coding for label in labels.lower().split(b",") if (coding := label.strip()) in _FORMATS]
    if len(codings) > MAX_CODINGS:
        raise UnreadableAnswer("the body has too many encodings", incoming.status)
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
            raise UnreadableAnswer("the body is too large", status)
        return plain
    if body.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n").startswith(b"{"):
        # Labelled, but never compressed.
        return body
    raise UnreadableAnswer("the body does not match its Content-Encoding", status)


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
