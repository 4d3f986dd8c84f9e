"""Reads requests from a connection's bytes, for uvicorn to run.

`Upgrade` is never accepted and therefore ignored (RFC 9110 7.8): the request and those after it are read as usual.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.framing import FIELD_LIMIT, HEAD_LIMIT, Body, HeadEnd, Unreadable, body_of, joined

# Requests that may wait on one connection while another is answered (RFC 9112 9.3.2).
PIPELINED: Final = 8
# Bytes of a head that are parsed before its fields are counted.
_SLICE: Final = 1024


class RequestReader(HttpToolsProtocol):
    """Passes one head at a time to the parser; bodies are framed here."""

    # Bytes of the head being read, and of blank lines before it.
    _head = 0
    _in_head = True
    _begun = False
    _ended = False
    # No more requests are read: the last one closes the connection, or the data after it is unreadable.
    _finished = False
    _body: Body | None = None
    _unreadable: Unreadable | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # The first is being answered, the others wait. `cycle` is the last of them, or was answered already.
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._head_end = HeadEnd()

    def read(self, data: bytes) -> None:
        """Raises Unreadable."""
        self._ended = False
        while data and not self._finished:
            if self._body is None:
                data = self._read_head(data)
                continue
            content, rest = self._body.read(data)
            if content:
                self.on_body(content)
            if rest is None:
                return
            self._complete()
            data = rest

    def _read_head(self, data: bytes) -> bytes:
        """Returns the data after the head, empty if the head is incomplete."""
        if not self._begun:
            # RFC 9112 2.2
            blank, data = len(data), data.lstrip(b"\r\n")
            self._head += blank - len(data)
        end = self._head_end.after(data)
        piece = data[:end] if end else data
        self._head += len(piece)
        if self._head > HEAD_LIMIT:
            raise Unreadable("The headers are too large.", 431)
        if len(piece) <= _SLICE:
            self._parse(piece)
        else:
            for at in range(0, len(piece), _SLICE):
                self._parse(piece[at : at + _SLICE])
        if end:
            self._head_complete()
        return data[end:] if end else b""

    def _parse(self, piece: bytes) -> None:
        """`piece` holds part of a head, and nothing after it."""
        if not self._begun and len(self.pipeline) >= PIPELINED:
            raise Unreadable("Too many requests are waiting on this connection.")
        if not piece:
            return
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # llhttp treats the data that follows as another protocol.
            self.parser = httptools.HttpRequestParser(self)
        except httptools.HttpParserError:
            self._body = None
            raise Unreadable("The request is not valid HTTP/1.1.") from None
        self._check_fields()

    def _check_fields(self) -> None:
        if len(self.headers) > FIELD_LIMIT:
            raise Unreadable("There are too many headers.", 431)

    def _head_complete(self) -> None:
        if self._unreadable:
            raise self._unreadable
        if self._in_head:
            raise Unreadable("The request is not valid HTTP/1.1.")
        if self._body is None:
            self._complete()
        else:
            # This parser would wait for the body, which is framed here.
            self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        version = self.parser.get_http_version()
        try:
            self._check_fields()
            self._body = body_of(version, self.parser.get_method(), self.headers)
        except Unreadable as fault:
            self._unreadable = fault
            return
        fields = joined(self.headers)
        if fields is not self.headers:
            self.headers[:] = fields
        if version == "1.0":
            # RFC 9110 10.1.1
            self.expect_100_continue = False
        super().on_headers_complete()
        self._unanswered.append(self.cycle)

    def on_message_complete(self) -> None:
        """Ignores llhttp's end of the message, which it derives from the head alone."""

    def _complete(self) -> None:
        """The request is complete."""
        super().on_message_complete()
        self._body = None
        self._head, self._in_head, self._begun, self._ended = 0, True, False, True
        # RFC 9112 9.6: data after the last request is not read.
        self._finished = not self.cycle.keep_alive
