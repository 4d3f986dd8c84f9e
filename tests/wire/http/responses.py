"""Answers as bytes, and how the client must read them."""

from __future__ import annotations

from typing import NamedTuple

from providers.errors import RequestFailed
from wire.http.response_reader import ResponseReader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

WHOLE = {
    "a length": OK + b"Content-Length: 2\r\n\r\n{}",
    "chunks": CHUNKED + b'1\r\n{\r\n1;name="value"\r\n}\r\n0\r\nTrailer: x\r\n\r\n',
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </>\r\n\r\n"
    + OK
    + b"Content-Length: 2\r\n\r\n{}",
    "an upgrade on offer": OK + b"Upgrade: h2c\r\nConnection: Upgrade, Keep-Alive\r\nContent-Length: 2\r\n\r\n{}",
    "a reason with all that it may contain": b"HTTP/1.1 200 O\tk \xff~!\r\nContent-Length: 2\r\n\r\n{}",
    "odd spelling": b"HTTP/1.1 200\r\ncOnTeNt-LeNgTh:2 \t\r\nEmpty:\r\nX: \xff\r\n\r\n{}",
    "chunks in another spelling": OK + b"Transfer-Encoding: Chunked\r\n\r\n002\r\n{}\r\n000\r\n\r\n",
}
"""Each has the body `{}` and leaves its connection open."""

LAST = {
    "it says so": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}",
    "it says so among others": OK + b"Connection: Keep-Alive, CLOSE\r\nContent-Length: 2\r\n\r\n{}",
    "it says so and not so": OK + b"Connection: close\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.0 that would go on": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
    "an empty line after it": OK + b"Content-Length: 2\r\n\r\n{}\r\n",
    "one byte after it": OK + b"Content-Length: 2\r\n\r\n{} ",
    "one byte after chunks": CHUNKED + b"2\r\n{}\r\n0\r\n\r\n\n",
    "another answer after it": OK + b"Content-Length: 2\r\n\r\n{}" + OK + b"Content-Length: 4\r\n\r\nmore",
    "another after it was the last": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}" + OK,
}
"""Each has the body `{}`, and its connection must not be reused."""

AMBIGUOUS = {
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/0.9 without a head": b"{}",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "RTSP": b"RTSP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "ICE": b"ICE/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "an empty line first": b"\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    "status 000": b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status 20": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status 2000": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}",
    "status -200": b"HTTP/1.1 -200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\n{}",
    "a control character in the reason": b"HTTP/1.1 200 O\x0bK\r\nContent-Length: 2\r\n\r\n{}",
    "DEL in the reason": b"HTTP/1.1 200 \x7f\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
    "the same length twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "lengths in a list": OK + b"Content-Length: 2, 2\r\n\r\n{}",
    "a negative length": OK + b"Content-Length: -2\r\n\r\n{}",
    "a signed length": OK + b"Content-Length: +2\r\n\r\n{}",
    "a hexadecimal length": OK + b"Content-Length: 0x2\r\n\r\n{}",
    "an empty length": OK + b"Content-Length:\r\n\r\n{}",
    "a length beyond counting": OK + b"Content-Length: 18446744073709551618\r\n\r\n{}",
    "chunks with a length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a length with chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a coding that is not asked for": OK + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "two codings": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks not last": OK + b"Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "almost chunks": OK + b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "an empty coding": OK + b"Transfer-Encoding:\r\n\r\n{}",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a folded field": OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "a folded coding": OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 2\r\n\r\n{}",
    "a space before the name": OK + b" Content-Length: 2\r\n\r\n{}",
    "no colon": OK + b"CANARY\r\nContent-Length: 2\r\n\r\n{}",
    "no name": OK + b": x\r\nContent-Length: 2\r\n\r\n{}",
    "NUL in a field": OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "a bare CR": OK + b"X: a\rContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a bare LF": OK + b"X: a\nContent-Length: 2\r\n\r\n{}",
    "LF for all": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "a chunk size with 0x": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a signed chunk size": CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\n{}\r\n0\r\n\r\n",
    "a space and a chunk size": CHUNKED + b" 2\r\n{}\r\n0\r\n\r\n",
    "a chunk size and a space": CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
    "a chunk size beyond counting": CHUNKED + b"10000000000000002\r\n{}\r\n0\r\n\r\n",
    "a chunk size with LF": CHUNKED + b"2\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\n{}}\r\n0\r\n\r\n",
    "a chunk without CR": CHUNKED + b"2\r\n{}\n0\r\n\r\n",
    "a chunk extension with LF": CHUNKED + b"2;a\n{}\r\n0\r\n\r\n",
    "a length in the trailers": CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n",
    "a trailer without colon": CHUNKED + b"2\r\n{}\r\n0\r\nCANARY\r\n\r\n",
    "a folded trailer": CHUNKED + b"2\r\n{}\r\n0\r\nX: a\r\n b\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{}",
    "another protocol without a name": b"HTTP/1.1 101 Switching\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    "an interim answer with a length": b"HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\n"
    + OK
    + b"Content-Length: 2\r\n\r\n{}",
    "an interim answer with a body": b"HTTP/1.1 150 X\r\nContent-Length: 2\r\n\r\n{}",
    "an interim answer in chunks": b"HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + OK
    + b"Content-Length: 2\r\n\r\n{}",
    "a last interim answer": b"HTTP/1.1 103 X\r\nConnection: close\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    "a request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}
"""Each could be read in two ways, or is not HTTP/1."""


def read(*pieces: bytes, max_body: int = 1000, ends: bool = False) -> ResponseReader:
    """The answer in these pieces, as a connection would read it. Raises RequestFailed."""
    reader = ResponseReader(max_body)
    try:
        for number, piece in enumerate(pieces):
            reader.feed(piece)
            if reader.complete:
                reader.must_close |= any(pieces[number + 1 :])
                return reader
        if ends:
            reader.end(in_order=True)
        return reader
    finally:
        reader.close()


class Fault(NamedTuple):
    kind: type[RequestFailed]
    text: str


def outcome(*pieces: bytes, ends: bool = True) -> Fault | tuple[int, list[tuple[bytes, bytes]], bytes, bool, bool]:
    """Everything that is known about the answer. Any exception but a RequestFailed fails the test."""
    try:
        reader = read(*pieces, ends=ends)
    except RequestFailed as fault:
        return Fault(type(fault), str(fault))
    return reader.status, reader.headers, reader.response().content, reader.complete, reader.must_close
