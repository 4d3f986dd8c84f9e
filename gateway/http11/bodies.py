"""Reads request bodies: those in the chunked coding (RFC 9112 7.1), of which trailers and chunk extensions are dropped,
and those of a known length that don't arrive with their head."""

from __future__ import annotations

import re
from typing import Final, Protocol

from gateway.http11.head import BadRequest

# Bytes of a chunked body that are not content, beyond what small chunks need, and bytes of its trailers.
CHUNKING_LIMIT: Final = 16 * 1024
# Chunks of one body, and bytes of content that allow one more. Parsing a chunk costs the server more than sending it
# costs the client, but a program that writes JSON piece by piece sends some tens of bytes at a time.
CHUNK_LIMIT: Final = 1024
CHUNK_AVERAGE: Final = 64
# Bytes of overhead that a chunk may have for its size line, and per byte of content, before they count.
_EACH_CHUNK: Final = 16
_EACH_BYTE: Final = 2

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER: Final = re.compile(_TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n")


class Body(Protocol):
    """Reads the body of a request."""

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The content in `data`, and the data after the body, None while the body continues. Raises BadRequest."""
        ...


class ChunkedBody:
    """A body in the chunked coding. Chunk extensions and trailers are checked, counted and dropped."""

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
        """The content in `data`, and the data after the body, None while the body continues. Raises BadRequest."""
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
                raise BadRequest("A chunk's data does not match its size.")
            self._after_content = False
        elif not self._in_trailers:
            self._begin_chunk(line)
        elif line == b"\r\n":
            return True
        else:
            self._count(len(line))
            if not _TRAILER.fullmatch(line):
                raise BadRequest("A trailer is malformed.")
        return False

    def _begin_chunk(self, line: bytes) -> None:
        found = _CHUNK.fullmatch(line)
        if not found:
            raise BadRequest("A chunk's size is malformed.")
        self._left = int(found[1], 16)
        self._count_chunk(len(line), self._left)
        self._in_trailers = not self._left
        self._after_content = bool(self._left)

    def _count_chunk(self, line: int, size: int) -> None:
        """`line` is the length of the line that begins it."""
        self._chunks += 1
        if self._chunks > CHUNK_LIMIT + self._size // CHUNK_AVERAGE:
            raise BadRequest("The body has too many chunks for its size.")
        self._size += size
        excess = line - _EACH_CHUNK - _EACH_BYTE * size
        if excess > 0 or self._excess:
            self._count(excess)

    def _check_unfinished(self) -> None:
        if self._after_content and self._line not in (b"", b"\r"):
            raise BadRequest("A chunk's data does not match its size.")
        _check_excess(self._excess + len(self._line))

    def _count(self, excess: int) -> None:
        self._excess = max(0, self._excess + excess)
        _check_excess(self._excess)


def _check_excess(excess: int) -> None:
    if excess > CHUNKING_LIMIT:
        raise BadRequest("The body has too many trailers or chunk extensions.", 431)


class SizedBody:
    """A body framed by Content-Length."""

    def __init__(self, length: int) -> None:
        self._left = length

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        """As `Body.read`."""
        if len(data) < self._left:
            self._left -= len(data)
            return data, None
        return data[: self._left], data[self._left :]
