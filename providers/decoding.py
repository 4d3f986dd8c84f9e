"""An answer's body as it was meant, decompressed no further than the cap (RFC 9110 8.4).

We ask for no compression. What comes all the same is read if it is gzip or deflate. Any other label leaves the body as
it is: many name no coding (`utf-8`, `none`, `binary`), and whether a body can be used is for whoever reads it to say.
"""

from __future__ import annotations

import zlib
from typing import Final

from providers.errors import UnreadableAnswer
from providers.incoming import Incoming

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
"""Both formats, told apart by their headers."""

_BARE: Final = -zlib.MAX_WBITS
"""Deflate without a header, which some send for `deflate`."""

_FORMATS: Final = {
    b"gzip": (_GZIP_OR_ZLIB,),
    b"x-gzip": (_GZIP_OR_ZLIB,),
    b"deflate": (_GZIP_OR_ZLIB, _BARE),
}

MAX_CODINGS: Final = 5
"""Codings on top of each other. Nobody needs two, and each is work."""


def decoded(incoming: Incoming, cap: int) -> bytes:
    """At most `cap` bytes. Raises UnreadableAnswer."""
    body = incoming.body
    labels = b",".join(value for name, value in incoming.fields if name == b"content-encoding")
    if not labels or not body:
        return body
    codings = [coding for label in labels.lower().split(b",") if (coding := label.strip()) in _FORMATS]
    if len(codings) > MAX_CODINGS:
        raise UnreadableAnswer("the body has too many encodings", incoming.status)
    # In the order in which they were applied.
    for coding in reversed(codings):
        body = _inflated(body, _FORMATS[coding], cap, incoming.status)
    return body


def _inflated(body: bytes, formats: tuple[int, ...], cap: int, status: int) -> bytes:
    for window in formats:
        inflate = zlib.decompressobj(window)
        try:
            # One byte more than there is room for shows that there is more.
            plain = inflate.decompress(body, cap + 1)
        except zlib.error:
            continue
        if len(plain) > cap:
            raise UnreadableAnswer("the body is too large", status)
        if inflate.eof and not inflate.unused_data:
            return plain
    raise UnreadableAnswer("the body is not compressed as it says", status)
