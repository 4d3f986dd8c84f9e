"""Reads requests from a connection's bytes, for uvicorn to run.

`Upgrade` is never accepted and therefore ignored (RFC 9110 7.8): the request and those after it are read as usual.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.framing import FIELD_LIMIT, HEAD_LIMIT, Body, HeadEnd, Unreadable, body_of, joined
from gateway.request_target import RequestLine, check_target, check_target_length

# Requests that may wait on one connection while another is answered (RFC 9112 9.3.2).
PIPELINED: Final = 8
# Bytes of a head that are parsed before its fields are counted.
_SLICE: Final = 1024
_OWS: Final = b" \t"
_INVALID: Final = "The request is not valid HTTP/1.1."


class _ParsedHead:
    """What llhttp found in a head, which it forgets at the head's end. uvicorn reads it as its parser's."""

    __slots__ = ("_keep_alive", "_method", "_version")

    def __init__(self, parser: httptools.HttpRequestParser) -> None:
        self._version = parser.get_http_version()
        self._method = parser.get_method()
        self._keep_alive = parser.should_keep_alive()

    def get_http_version(self) -> str:
        return self._version

    def get_method(self) -> bytes:
        return self._method

    def should_keep_alive(self) -> bool:
        return self._keep_alive

    def should_upgrade(self) -> bool:
        """Never. uvicorn would split the whole Connection field to find out, several times a request."""
        return False


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

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # The first is being answered, the others wait. `cycle` is the last of them, or was answered already.
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._request_line = RequestLine()
        self._head_end = HeadEnd()
        self._llhttp = httptools.HttpRequestParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # It refers to this object.
        del self._llhttp

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
        self._request_line.read(piece)
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
            self._llhttp.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # llhttp treats the data that follows as another protocol.
            self._llhttp = httptools.HttpRequestParser(self)
        except httptools.HttpParserError:
            raise Unreadable(_INVALID) from None
        check_target_length(self.url)
        if len(self.headers) > FIELD_LIMIT:
            raise Unreadable("There are too many headers.", 431)

    def _head_complete(self) -> None:
        """A request begins here and not in llhttp's callback: llhttp may refuse the head after that."""
        if self._in_head:
            raise Unreadable(_INVALID)
        version = self.parser.get_http_version()
        body = body_of(version, self.parser.get_method(), self.headers)
        check_target(self.url)
        fields = joined(self.headers)
        if fields is not self.headers:
            self.headers[:] = fields
        if version == "1.0":
            # RFC 9110 10.1.1
            self.expect_100_continue = False
        self._begin_request()
        self._body = body
        if body is None:
            self._complete()
        else:
            # This parser would wait for the body, which is framed here.
            self._llhttp = httptools.HttpRequestParser(self)

    def _begin_request(self) -> None:
        try:
            super().on_headers_complete()
        except httptools.HttpParserInvalidURLError:
            raise Unreadable("The request target is malformed.") from None
        self._unanswered.append(self.cycle)

    def on_message_begin(self) -> None:
        self._begun = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Without the whitespace around a value, which is no part of it (RFC 9110 5.5). llhttp removes some.

        Of a Transfer-Encoding it stays: llhttp refuses a tab there, unless there is an Upgrade.
        """
        name = name.lower()
        if name != b"transfer-encoding":
            value = value.strip(_OWS)
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self.parser = cast("httptools.HttpRequestParser", _ParsedHead(self._llhttp))

    def on_message_complete(self) -> None:
        """Ignores llhttp's end of the message, which it derives from the head alone."""

    def _complete(self) -> None:
        """The request is complete."""
        super().on_message_complete()
        self._body = None
        self._head, self._in_head, self._begun, self._ended = 0, True, False, True
        self._request_line = RequestLine()
        # RFC 9112 9.6: data after the last request is not read.
        self._finished = not self.cycle.keep_alive
