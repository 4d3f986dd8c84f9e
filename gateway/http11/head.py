"""Reads the head of a request: where it ends, its request line and fields, and how the body is framed (RFC 9112).

llhttp parses the head and nothing else. Given the rest of a connection, it would treat what follows an `Upgrade` as
another protocol, accept any number of trailers as headers, and let a trailer decide whether the connection is kept.
`Upgrade` is ignored instead (RFC 9110 7.8), as this server upgrades to no other protocol.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes of a request line and its headers, and the number of header fields.
HEAD_LIMIT: Final = 64 * 1024
FIELD_LIMIT: Final = 256
# Bytes of a request target (RFC 9112 3.2): nginx accepts as many by default, RFC 9110 4.1 recommends 8,000. Any path
# is decoded, so it has a limit of its own, far above the length of any path that is served.
TARGET_LIMIT: Final = 8 * 1024
PATH_LIMIT: Final = 1024
# Bytes of a head that are parsed before its fields are counted.
_SLICE: Final = 1024
# Bytes before a line end that must be looked at again with the next piece: " HTTP/1.1" and half a line end.
_LOOK_BACK: Final = 10

# RFC 9110 7.2 without the comma, which a proxy inserts when it joins two Host headers.
_HOST: Final = re.compile(rb"(?:\[[0-9A-Za-z:.%~_-]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]*)?[ \t]*")
# A name has at most 253 characters (RFC 1035 2.3.4), and a port five.
_LONGEST_HOST: Final = 300
# RFC 3986 2.1
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Digits of a Content-Length: llhttp accepts no number above 2**64, but any number of leading zeros.
_LENGTH_DIGITS: Final = 20
# Fields that must not be combined into a list (RFC 9110 5.3): there is only one bearer token, and cookies use another
# separator.
_NOT_A_LIST: Final = frozenset({b"authorization", b"cookie"})

_INVALID: Final = "The request is not valid HTTP/1.1."
_CODING: Final = "Transfer-Encoding must be chunked, and nothing else."

Field = tuple[bytes, bytes]

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


class BadRequest(Exception):
    """The data is not an HTTP/1.1 request, or exceeds a limit. The message may be shown to the caller."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Head(NamedTuple):
    method: bytes
    target: bytes
    version: str
    headers: list[Field]
    keep_alive: bool
    expects_continue: bool
    content_length: int | None
    """None for a chunked body."""

    def scope(self, connection: HttpToolsProtocol) -> dict[str, Any]:
        """The ASGI scope of the request. Raises BadRequest."""
        try:
            target = httptools.parse_url(self.target)
        except httptools.HttpParserInvalidURLError:
            raise BadRequest("The request target is malformed.") from None
        path = target.path.decode("ascii")
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": self.version,
            "server": connection.server,
            "client": connection.client,
            "scheme": connection.scheme,
            "method": self.method.decode("ascii"),
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": target.path,
            "query_string": target.query or b"",
            "headers": self.headers,
            "state": connection.app_state.copy(),
        }


class HeadReader:
    """Reads the heads of a connection's requests, one at a time. `target` and `headers` hold what has been parsed of a
    head that is incomplete."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._reset()

    def _reset(self) -> None:
        self.begun = False
        self.target = b""
        self.headers: list[Field] = []
        # Bytes of the head so far, including empty lines before it.
        self._size = 0
        self._tail = b""
        self._line_checked = False
        # Method, version, and whether the connection is kept.
        self._parsed: tuple[bytes, str, bool] | None = None

    def read(self, data: bytes) -> tuple[Head | None, bytes]:
        """The head, None while it is incomplete, and the data after it. Raises BadRequest."""
        if not self.begun:
            # RFC 9112 2.2: empty lines before a request line are ignored.
            received, data = len(data), data.lstrip(b"\r\n")
            self._size += received - len(data)
            self.begun = bool(data)
        text = self._tail + data
        # llhttp accepts only CRLF as line end and no folded lines, so no head that it accepts ends earlier.
        found = text.find(b"\r\n\r\n")
        end = len(data) if found < 0 else found + 4 - len(self._tail)
        piece = data[:end]
        self._size += len(piece)
        if self._size > HEAD_LIMIT:
            raise BadRequest("The headers are too large.", 431)
        if not self._line_checked:
            self._check_request_line(text)
        for at in range(0, len(piece), _SLICE):
            self._parse(piece[at : at + _SLICE])
        if found < 0:
            self._tail = text[-_LOOK_BACK:]
            return None, b""
        head = self._complete()
        self._reset()
        return head, data[end:]

    def _check_request_line(self, text: bytes) -> None:
        """llhttp accepts request lines of RTSP and ICE, too, and doesn't say so."""
        end = text.find(b"\r\n")
        if end >= 0:
            self._line_checked = True
            if text[max(end - 9, 0) : end].rpartition(b"/")[0] != b" HTTP":
                raise BadRequest(_INVALID)

    def _parse(self, piece: bytes) -> None:
        """`piece` is part of a head, with nothing after it."""
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # This parser would treat the data that follows as another protocol.
            self._parser = httptools.HttpRequestParser(self)
        except httptools.HttpParserError:
            raise BadRequest(_INVALID) from None
        if len(self.target) > TARGET_LIMIT:
            raise BadRequest("The request target is too long.", 414)
        if len(self.target) > PATH_LIMIT and len(self.target.partition(b"?")[0]) > PATH_LIMIT:
            raise BadRequest("The path is too long.", 414)
        if len(self.headers) > FIELD_LIMIT:
            raise BadRequest("There are too many headers.", 431)

    # Callbacks of the parser.

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Removes the whitespace around a value, which is not part of it (RFC 9110 5.5); llhttp removes only some.

        Transfer-Encoding keeps it: llhttp rejects a tab there, except together with Upgrade.
        """
        name = name.lower()
        self.headers.append((name, value if name == b"transfer-encoding" else value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        # The parser forgets these when the head ends.
        parser = self._parser
        self._parsed = parser.get_method(), parser.get_http_version(), parser.should_keep_alive()

    def _complete(self) -> Head:
        """Checks the head as a whole. Not in the parser's callback: the parser may still reject the head after that."""
        if self._parsed is None:
            raise BadRequest(_INVALID)
        method, version, keep_alive = self._parsed
        headers = self.headers
        fields = dict(headers)
        if len(fields) < len(headers):
            _check_single(headers)
            headers = combined(headers)
        if version not in ("1.1", "1.0"):
            raise BadRequest("The version of HTTP must be 1.1 or 1.0.")
        if method == b"CONNECT":
            raise BadRequest("This server is not a proxy: CONNECT is not supported.")
        _check_host(fields.get(b"host"), version)
        length = _content_length(fields, version)
        _check_target(self.target)
        if length != 0:
            # This parser would expect the body.
            self._parser = httptools.HttpRequestParser(self)
        # RFC 9110 10.1.1: version 1.0 has no interim responses.
        expects_continue = b"expect" in fields and version == "1.1" and any(map(_is_expectation, self.headers))
        return Head(method, self.target, version, headers, keep_alive, expects_continue, length)


def _is_expectation(field: Field) -> bool:
    return field[0] == b"expect" and field[1].lower() == b"100-continue"


def _check_single(headers: list[Field]) -> None:
    """RFC 9112 3.2 and 6.1. A request with several codings is an attempt at smuggling."""
    names = [name for name, _ in headers]
    if names.count(b"host") > 1:
        raise BadRequest("There must be one Host header.")
    if names.count(b"transfer-encoding") > 1:
        raise BadRequest(_CODING)


def _check_host(host: bytes | None, version: str) -> None:
    if host is None and version == "1.1":
        raise BadRequest("There must be one Host header.")
    if host is not None and not _is_host(host):
        raise BadRequest("The Host header is malformed.")


@lru_cache(maxsize=64)
def _is_host(value: bytes) -> bool:
    return len(value) <= _LONGEST_HOST and _HOST.fullmatch(value) is not None


def _content_length(fields: dict[bytes, bytes], version: str) -> int | None:
    """None for a chunked body. Raises BadRequest where RFC 9112 6.3 requires a 400.

    llhttp has already rejected an invalid Content-Length, and one together with Transfer-Encoding.
    """
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        if version == "1.0" or coding.strip(b" ").lower() != b"chunked":
            raise BadRequest(_CODING)
        return None
    length = fields.get(b"content-length", b"0")
    if len(length) > _LENGTH_DIGITS:
        raise BadRequest("The Content-Length is too long.")
    return int(length)


def _check_target(target: bytes) -> None:
    """The target must be a path, or a whole URI with one (RFC 9112 3.2)."""
    if b"%" in target and _BAD_ESCAPE.search(target):
        raise BadRequest("The request target has a malformed percent-encoding.")
    try:
        valid = target.startswith(b"/") or bool(httptools.parse_url(target).path)
    except httptools.HttpParserInvalidURLError:
        valid = False
    if not valid:
        raise BadRequest("The request target is malformed.")


def combined(headers: list[Field]) -> list[Field]:
    """Combines repeated fields into one list each (RFC 9110 5.3), so that no code reads only the first line.

    Two lines of a field that can't be a list, such as Content-Type, become a value that is always rejected.
    """
    values: dict[bytes, list[bytes]] = {}
    separate: list[Field] = []
    for name, value in headers:
        if name in _NOT_A_LIST:
            separate.append((name, value))
        else:
            values.setdefault(name, []).append(value)
    return [*((name, b", ".join(lines)) for name, lines in values.items()), *separate]
