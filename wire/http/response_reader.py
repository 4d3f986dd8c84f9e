"""Reads one response as it arrives (RFC 9112), in pieces of any size. Responses are limited in size, and refused where
they are ambiguous.

llhttp, which httptools wraps, refuses what is malformed: obsolete line folding, bare CR and LF, control characters,
more than one length, a length together with a transfer coding, chunk sizes that are not hexadecimal. The rest is
refused here.
"""

from __future__ import annotations

import re
from typing import Final

import httptools

from wire.http.errors import RequestFailed, TransportFailure, UnreadableResponse
from wire.http.response import Response, decoded

MAX_HEAD: Final = 32 * 1024
"""Bytes of a response's head, including interim responses (1xx)."""

MAX_MESSAGE_BODY: Final = 320 * 1024
"""Bytes after the head as they are transferred: the largest body, and room for chunk sizes and trailers."""

MAX_HEADERS: Final = 100
"""Header fields of a response."""

_HTTP: Final = b"HTTP/"
# llhttp refuses them in header fields, but not in the reason.
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_FINAL: Final = 200
"""The lowest status of a response that is not interim."""
# Not 101: no request asks for another protocol.
_INTERIM: Final = (100, *range(102, _FINAL))
_BODILESS: Final = (204, 304)


class ResponseReader:
    """`complete` says whether all of the response has been read, `must_close` whether its connection must not be used
    again. The names of `headers` are in lower case. The body has at most `max_body` bytes, before and after
    decompression.

    `sent_at` is when the request began to be sent, a time of the running loop.
    """

    def __init__(self, max_body: int) -> None:
        self.sent_at = 0.0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.must_close = True
        self._parts: list[bytes] = []
        self._max_body = max_body
        self._body_left = max_body
        self._room = MAX_HEAD
        self._start = b""
        self._in_head = True
        self._until_end = False
        self._is_encoded = False
        self._failure: RequestFailed | None = None
        self._parser = httptools.HttpResponseParser(self)

    @property
    def has_head(self) -> bool:
        """Whether `status` and `headers` are those of the response, whatever became of its body."""
        return not self._in_head

    def response(self) -> Response:
        """The complete response. Raises UnreadableResponse if its body can't be decoded."""
        body = b"".join(self._parts)
        if self._is_encoded:
            body = decoded(body, self.headers, self._max_body, self.status)
        return Response(self.status, body, self.headers, sent_at=self.sent_at)

    def feed(self, piece: bytes) -> None:
        """Read the next piece, until the response is complete. Raises TransportFailure and UnreadableResponse."""
        if len(self._start) < len(_HTTP):
            # llhttp skips empty lines and accepts similar protocols.
            self._start = (self._start + piece)[: len(_HTTP)]
            if not _HTTP.startswith(self._start):
                raise broken()
        while piece and not self.complete:
            part, piece = piece[: self._room], piece[self._room :]
            if not part:
                raise TransportFailure("the answer is too large", sent=True)
            self._room -= len(part)
            # The parser doesn't say where a response ended, and skips what follows. So the last byte is parsed alone.
            self._parse(part[:-1])
            if self.complete:
                self.must_close = True
            else:
                self._parse(part[-1:])
        # It would be read as the response to the next request: one user would get another's tokens.
        self.must_close |= bool(piece)

    def end(self, *, in_order: bool) -> None:
        """The connection was closed. Only a response without a length may end like this, and only `in_order`. Raises
        TransportFailure."""
        if not (self._until_end and in_order):
            raise broken()
        self.complete = True

    def close(self) -> None:
        """Ends the circular reference between this and the parser, so that no garbage collection is needed."""
        del self._parser

    def _parse(self, part: bytes) -> None:
        try:
            self._parser.feed_data(part)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.complete:
                raise self._failure or broken() from None

    # Called by the parser. An exception stops it.

    def on_message_begin(self) -> None:
        if self.complete:
            self._refuse()

    def on_status(self, reason: bytes) -> None:
        if _CONTROL.search(reason):
            self._refuse()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Not the trailers.
        if self._in_head:
            self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        sized, encoded = False, False
        codings: list[bytes] = []
        for name, value in self.headers:
            if name == b"content-length":
                sized = True
            elif name == b"content-encoding":
                encoded = True
            elif name == b"transfer-encoding":
                codings.append(value.lower())
        if version not in ("1.1", "1.0") or (codings and (version != "1.1" or codings != [b"chunked"])):
            self._refuse()
        if self.status < _FINAL:
            self._skip_interim(framed=sized or bool(codings))
            return
        self._in_head, self._room, self._is_encoded = False, MAX_MESSAGE_BODY, encoded
        if len(self.headers) > MAX_HEADERS:
            self._refuse(UnreadableResponse("the head has too many fields", self.status))
        else:
            self._until_end = not sized and not codings and self.status not in _BODILESS
            self.must_close = version != "1.1" or not self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        self._body_left -= len(part)
        if self._body_left < 0:
            self._refuse(UnreadableResponse("the body is too large", self.status))
        self._parts.append(part)

    def on_message_complete(self) -> None:
        self.complete = not self._in_head

    def _skip_interim(self, *, framed: bool) -> None:
        """An interim response has no body (RFC 9110 8.6)."""
        if framed or self.status not in _INTERIM:
            self._refuse()
        self.headers.clear()

    def _refuse(self, failure: RequestFailed | None = None) -> None:
        self._failure = failure
        raise _RefusedError


class _RefusedError(Exception):
    """Stops the parser, which then raises an error of its own."""


def broken() -> TransportFailure:
    return TransportFailure("the connection broke or did not speak HTTP", sent=True)
