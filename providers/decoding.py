"""An answer's body as it was meant, decompressed no further than the cap.

We ask for no compression. What comes all the same is read if it is gzip or deflate.
"""

from __future__ import annotations

import zlib

from providers.errors import UnreadableAnswer
from providers.incoming import Incoming


def decoded(incoming: Incoming, cap: int) -> bytes:
    """At most `cap` bytes. Raises UnreadableAnswer."""
    encodings = [value for name, value in incoming.fields if name == b"content-encoding"]
    if not encodings:
        return incoming.body
    encoding = b", ".join(encodings).strip().lower()
    if encoding in (b"", b"identity"):
        return incoming.body
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        raise UnreadableAnswer("the body has an unknown encoding", incoming.status)
    return _inflated(incoming, cap)


def _inflated(incoming: Incoming, cap: int) -> bytes:
    # 32 above the window size: both formats, told apart by their headers.
    inflate = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        # One byte more than there is room for shows that there is more.
        plain = inflate.decompress(incoming.body, cap + 1)
    except zlib.error:
        plain = b""
    if len(plain) > cap:
        raise UnreadableAnswer("the body is too large", incoming.status)
    if not inflate.eof or inflate.unused_data:
        raise UnreadableAnswer("the body is not compressed as it says", incoming.status)
    return plain
