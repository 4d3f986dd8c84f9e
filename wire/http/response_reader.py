"""One answer as it comes in (RFC 9112), however it is cut into pieces: bounded, and refused where it is ambiguous.

llhttp, under httptools, refuses what is malformed: obsolete folding, bare CR and LF, control characters, several
lengths or one beside a transfer coding, chunk sizes that are no hexadecimal numbers. What it lets through besides is
refused here.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import httptools

from wire.http.errors import RequestFailed, TransportFailure, UnreadableResponse

MAX_HEAD: Final = 32 * 1024
"""Bytes until the head of an answer is over, interim answers (1xx) with it."""

MAX_BODY: Final = 320 * 1024
"""Bytes after the head as they travel: what `http.CAP` lets through, and room for chunk sizes and trailers."""

MAX_FIELDS: Final = 100
"""Header fields of an answer."""

_HTTP: Final = b"HTTP/"
# 101 changes the protocol, and nobody asked for that.
_INTERIM: Final = (HTTPStatus.CONTINUE, *range(HTTPStatus.PROCESSING, HTTPStatus.OK))
_BODILESS: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Incoming:
    """`complete` says whether the answer has come to its end, `last` whether its connection may not be used again.

    `fields` have their names in lower case. The body is as it came, at most `cap` bytes.
    """

    def __init__(self, cap: int) -> None:
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.last = True
        self._parts: list[bytes] = []
        self._cap = cap
        self._room = MAX_HEAD
        self._start = b""
        self._in_head = True
        self._until_end = False
        self._fault: RequestFailed | None = None
        self._parser = httptools.HttpResponseParser(self)

    @property
    def has_head(self) -> bool:
        """Whether `status` and `fields` are those of the answer, whatever became of its body."""
        return not self._in_head

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)

    def feed(self, piece: bytes) -> None:
        """To be called until the answer is complete. Raises TransportFailure and UnreadableResponse."""
        if len(self._start) < len(_HTTP):
            # llhttp skips empty lines and lets relatives of HTTP pass.
            self._start = (self._start + piece)[: len(_HTTP)]
            if not _HTTP.startswith(self._start):
                raise broken()
        while piece and not self.complete:
            part, piece = piece[: self._room], piece[self._room :]
            if not part:
                raise TransportFailure("the answer is too large", sent=True)
            self._room -= len(part)
            self._parse_to_the_byte(part)
        # On the next request it would pass for its answer: one user's tokens for another.
        self.last |= bool(piece)

    def end(self, *, in_order: bool) -> None:
        """No more comes. Only an answer without a length may end like this, and only `in_order`. Raises
        TransportFailure."""
        if not (self._until_end and in_order):
            raise broken()
        self.complete = True

    def close(self) -> None:
        """Parser and answer refer to each other: here one lets go."""
        del self._parser

    def _parse_to_the_byte(self, part: bytes) -> None:
        """The parser doesn't tell where an answer ended, and skips what may follow. So the last byte goes in alone."""
        self._parse(part[:-1])
        if self.complete:
            self.last = True
        else:
            self._parse(part[-1:])

    def _parse(self, part: bytes) -> None:
        try:
            self._parser.feed_data(part)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.complete:
                raise self._fault or broken() from None

    # What the parser calls. An exception stops it.

    def on_message_begin(self) -> None:
        if self.complete:
            self._refuse()

    def on_status(self, reason: bytes) -> None:
        if b"\0" in reason:
            self._refuse()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Others are trailers.
        if self._in_head:
            self.fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        codings = [value.lower() for name, value in self.fields if name == b"transfer-encoding"]
        sized = any(name == b"content-length" for name, _ in self.fields)
        if version not in ("1.1", "1.0") or (codings and (version != "1.1" or codings != [b"chunked"])):
            self._refuse()
        if self.status < HTTPStatus.OK:
            self._pass_over(framed=sized or bool(codings))
            return
        self._in_head, self._room = False, MAX_BODY
        if len(self.fields) > MAX_FIELDS:
            self._refuse(UnreadableResponse("the head has too many fields", self.status))
        else:
            self._until_end = not sized and not codings and self.status not in _BODILESS
            self.last = version != "1.1" or not self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        self._cap -= len(part)
        if self._cap < 0:
            self._refuse(UnreadableResponse("the body is too large", self.status))
        self._parts.append(part)

    def on_message_complete(self) -> None:
        self.complete = not self._in_head

    def _pass_over(self, *, framed: bool) -> None:
        """An interim answer, which has no body (RFC 9110 8.6)."""
        if framed or self.status not in _INTERIM:
            self._refuse()
        self.fields.clear()

    def _refuse(self, fault: RequestFailed | None = None) -> None:
        self._fault = fault
        raise _RefusedError


class _RefusedError(Exception):
    """Stops the parser, which raises an error of its own then."""


def broken() -> TransportFailure:
    return TransportFailure("the connection broke or did not speak HTTP", sent=True)
