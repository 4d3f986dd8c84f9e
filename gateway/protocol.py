"""HTTP/1.1 as uvicorn reads it, with a bound on the head of a request, which its fast parser lacks."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes that a request line and headers may have taken without coming to their end.
HEAD_LIMIT: Final = 64 * 1024
_REFUSAL: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """Hangs up on a head that does not end. Counts the reads that a head fills, so it may be long by one more."""

    _head = 0
    _in_head = True
    _ended = False

    def data_received(self, data: bytes) -> None:
        self._ended = False
        super().data_received(data)
        if not self._in_head or self._ended:
            # A read in which a message ended is that message's.
            return
        self._head += len(data)
        if self._head > HEAD_LIMIT and not self.transport.is_closing():
            self.transport.write(_REFUSAL)
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head, self._in_head, self._ended = 0, True, True
        super().on_message_complete()
