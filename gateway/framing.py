"""Finds the end of an HTTP/1.1 message on a connection (RFC 9112): its head, and its body by either framing.

llhttp only parses heads: it would treat the data after a head with `Upgrade` as another protocol, pass on an unlimited
number of trailers as headers, and let a trailer decide whether the connection is kept.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Protocol

# Bytes of a request line and its headers, and the number of header fields.
HEAD_LIMIT: Final = 64 * 1024
FIELD_LIMIT: Final = 256
# Bytes of a chunked body that are not content, beyond what small chunks need, and bytes of its trailers.
CHUNKING_LIMIT: Final = 16 * 1024
# Chunks of one body, and bytes of content that allow one more. Parsing a chunk costs us more than sending it, but a
# program that writes JSON piece by piece sends some tens of bytes at a time.
CHUNK_LIMIT: Final = 1024
CHUNK_AVERAGE: Final = 64
# Bytes of overhead that a chunk may have for its size line, and per byte of content, before they count.
_EACH_CHUNK: Final = 16
_EACH_BYTE: Final = 2

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER: Final = re.compile(_TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n")
# RFC 9110 7.2 without the comma, which a proxy inserts when it joins two Host headers.
_HOST: Final = re.compile(rb"(?:\[[0-9A-Za-z:.%~_-]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]*)?[ \t]*")
# A name has at most 253 characters (RFC 1035 2.3.4), and a port five.
_LONGEST_HOST: Final = 300
# Digits of a Content-Length: llhttp accepts no number above 2**64, but any number of leading zeros.
_LENGTH_DIGITS: Final = 20
# Fields that must not be joined into a list (RFC 9110 5.3): there is only one bearer, and cookies use another
# separator.
_SINGLE: Final = frozenset({b"authorization", b"cookie"})

_CODING: Final = "Transfer-Encoding must be chunked, and nothing else."

Field = tuple[bytes, bytes]


class Unreadable(Exception):
    """The data is not an HTTP/1.1 request, or exceeds a limit. The message may be shown to the caller."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class HeadEnd:
    """Finds the empty line that ends a head, also when it arrives in several pieces.

    The first one is the end: llhttp accepts only CRLF as line end and no folded lines, so no accepted head ends
    earlier.
    """

    def __init__(self) -> None:
        self._before = b""

    def after(self, piece: bytes) -> int:
        """How many bytes of this piece belong to the head; 0 when the head continues after it."""
        before = self._before
        text = before + piece if before else piece
        found = text.find(b"\r\n\r\n")
        self._before = text[-3:] if found < 0 else b""
        return found + 4 - len(before) if found >= 0 else 0


class Body(Protocol):
    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The content in `data`, and the data after the body, None while the body continues. Raises Unreadable."""
        ...


class SizedBody:
    """A body framed by Content-Length."""

    def __init__(self, length: int) -> None:
        self._left = length

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        if len(data) < self._left:
            self._left -= len(data)
            return data, None
        return data[: self._left], data[self._left :]


class ChunkedBody:
    """A body in the chunked coding (RFC 9112 7.1). Chunk extensions and trailers are checked, counted and dropped."""

    def __init__(self) -> None:
        self._line = b""
        # Bytes left of the current chunk. A line end follows its content.
        self._left = 0
        self._after_content = False
        self._in_trailers = False
        self._excess = 0
        self._chunks = 0
        self._size = 0

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        content = bytearray()
        at = 0
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                content += piece
                self._left -= len(piece)
                at += len(piece)
                continue
            if not (self._line or self._after_content or self._in_trailers):
                at = self._read_whole_chunks(data, at, content)
            end = data.find(b"\n", at) + 1
            self._line += data[at : end or len(data)]
            if not end:
                self._check_unfinished()
                break
            at = end
            line, self._line = self._line, b""
            if self._ends(line):
                return bytes(content), data[at:]
        return bytes(content), None

    def _read_whole_chunks(self, data: bytes, at: int, content: bytearray) -> int:
        """Chunks that have come whole, as most do. Returns where something else begins: what reads a chunk in pieces
        reads these, too, at three times the cost."""
        match = _CHUNK.match
        while found := match(data, at):
            begin = found.end()
            size = int(found[1], 16)
            end = begin + size
            if data[end : end + 2] != b"\r\n" or not size:
                break
            self._count_chunk(begin - at, size)
            content += data[begin:end]
            at = end + 2
        return at

    def _ends(self, line: bytes) -> bool:
        """Whether this line ends the body."""
        if self._after_content:
            if line != b"\r\n":
                raise Unreadable("A chunk's data does not match its size.")
            self._after_content = False
        elif not self._in_trailers:
            self._begin_chunk(line)
        elif line == b"\r\n":
            return True
        else:
            self._count(len(line))
            if not _TRAILER.fullmatch(line):
                raise Unreadable("A trailer is malformed.")
        return False

    def _begin_chunk(self, line: bytes) -> None:
        found = _CHUNK.fullmatch(line)
        if not found:
            raise Unreadable("A chunk's size is malformed.")
        self._left = int(found[1], 16)
        self._count_chunk(len(line), self._left)
        self._in_trailers = not self._left
        self._after_content = bool(self._left)

    def _count_chunk(self, line: int, size: int) -> None:
        """`line` is the length of the line that begins it."""
        self._chunks += 1
        if self._chunks > CHUNK_LIMIT + self._size // CHUNK_AVERAGE:
            raise Unreadable("The body has too many chunks for its size.")
        self._size += size
        excess = line - _EACH_CHUNK - _EACH_BYTE * size
        if excess > 0 or self._excess:
            self._count(excess)

    def _check_unfinished(self) -> None:
        if self._after_content and self._line not in (b"", b"\r"):
            raise Unreadable("A chunk's data does not match its size.")
        _check_excess(self._excess + len(self._line))

    def _count(self, excess: int) -> None:
        self._excess = max(0, self._excess + excess)
        _check_excess(self._excess)


def _check_excess(excess: int) -> None:
    if excess > CHUNKING_LIMIT:
        raise Unreadable("The body has too many trailers or chunk extensions.", 431)


def body_of(version: str, method: bytes, headers: list[Field]) -> Body | None:
    """The framing of a request's body, None without a body. Raises Unreadable where RFC 9112 requires a 400.

    llhttp has already refused an invalid Content-Length, and one together with Transfer-Encoding.
    """
    fields = dict(headers)
    if len(fields) < len(headers):
        _check_single(headers)
    if version not in ("1.1", "1.0"):
        raise Unreadable("The version of HTTP must be 1.1 or 1.0.")
    if method == b"CONNECT":
        raise Unreadable("This server is not a proxy: CONNECT is not supported.")
    host = fields.get(b"host")
    if host is None and version == "1.1":
        raise Unreadable("There must be one Host header.")
    if host is not None and not _is_host(host):
        raise Unreadable("The Host header is malformed.")
    if b"transfer-encoding" in fields:
        if version == "1.0" or fields[b"transfer-encoding"].strip(b" ").lower() != b"chunked":
            raise Unreadable(_CODING)
        return ChunkedBody()
    declared = fields.get(b"content-length", b"0")
    if len(declared) > _LENGTH_DIGITS:
        raise Unreadable("The Content-Length is too long.")
    length = int(declared)
    return SizedBody(length) if length else None


def _check_single(headers: list[Field]) -> None:
    """RFC 9112 3.2 and 6.1. A request with several codings is an attempt at smuggling."""
    names = [name for name, _ in headers]
    if names.count(b"host") > 1:
        raise Unreadable("There must be one Host header.")
    if names.count(b"transfer-encoding") > 1:
        raise Unreadable(_CODING)


@lru_cache(maxsize=64)
def _is_host(value: bytes) -> bool:
    return len(value) <= _LONGEST_HOST and _HOST.fullmatch(value) is not None


def joined(headers: list[Field]) -> list[Field]:
    """Repeated fields joined into one list each (RFC 9110 5.3), so that no code reads only the first line.

    Two lines of a field that can't be a list, such as Content-Type, become a value that is always refused.
    """
    if len(dict(headers)) == len(headers):
        return headers
    values: dict[bytes, list[bytes]] = {}
    single: list[Field] = []
    for name, value in headers:
        if name in _SINGLE:
            single.append((name, value))
        else:
            values.setdefault(name, []).append(value)
    return [*((name, b", ".join(lines)) for name, lines in values.items()), *single]
