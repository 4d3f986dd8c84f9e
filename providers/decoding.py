"""Decodes the body of an answer, decompressing it no further than the cap (RFC 9110 8.4).

We ask for no compression. A compressed body is still read if it is gzip or deflate. With any other label the body stays
as it is: many labels name no coding (`utf-8`, `none`, `binary`), and the reader of the body decides whether it is
usable.
"""

from __future__ import annotations

import zlib
from typing import Final

from providers.errors import UnreadableAnswer
from providers.incoming import Incoming

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
"""Both formats; zlib detects which by the header."""

_BARE: Final = -zlib.MAX_WBITS
"""Deflate without a header, which some servers send for `deflate`."""

_FORMATS: Final = {
    b"gzip": (_GZIP_OR_ZLIB,),
    b"x-gzip": (_GZIP_OR_ZLIB,),
    b"deflate": (_GZIP_OR_ZLIB, _BARE),
}

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
        inflate = zlib.decompressobj(window)
        try:
            # One byte over the limit shows that the body is too large.
            plain = inflate.decompress(body, cap + 1)
        except zlib.error:
            continue
        if len(plain) > cap:
            raise UnreadableAnswer("the body is too large", status)
        if inflate.eof and not inflate.unused_data:
            return plain
    raise UnreadableAnswer("the body does not match its Content-Encoding", status)
