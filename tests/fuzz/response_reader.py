"""The HTTP client's framing: however the bytes are split, they are the same response, and h11 reads the same one."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

import h11

from wire.http.errors import RequestFailed, TransportFailure, UnreadableResponse
from wire.http.response_reader import MAX_HEADERS, ResponseReader

INSTRUMENTED: Final = ["wire"]
WORDS: Final = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 ",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 204 \r\n",
    b"\r\n\r\n",
    b"\r\n",
    b"Content-Length: 2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Upgrade: x\r\n",
    b"0\r\n\r\n",
    b"2\r\n{}\r\n",
    b"2;a=b\r\n{}\r\n",
    b"X: a\r\n b\r\n",
]
MOST: Final = 200
"""Bytes of a body."""

# A response about which nobody could be in doubt, with a body that h11 must be able to read.
_PLAIN: Final = re.compile(
    rb"(?:HTTP/1\.1 10[03] [A-Za-z]*\r\n(?:X: [a-z]*\r\n)?\r\n)?"
    rb"HTTP/1\.1 (?:20[0-35-9]|[45][0-9]{2}) [A-Za-z ]*\r\n(?:X-[A-Za-z]+: [!-~]+\r\n)*"
    rb"(?:\r\n(?s:.*)|Content-Length: 0\r\n\r\n|Transfer-Encoding: chunked\r\n\r\n(?:3\r\n[a-z]{3}\r\n)*0\r\n\r\n)"
)


@dataclass(frozen=True)
class _Result:
    """What the reader makes of a whole connection, the end of which is `closed` if the server ended it."""

    refused: type[RequestFailed] | None
    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    complete: bool = False
    must_close: bool = True
    used: int = 0


def check(data: bytes) -> None:
    """The first byte decides how the rest is split."""
    if not data:
        return
    stream = data[1:]
    whole = _read([stream])
    for seed in (data[0], data[0] + 256):
        assert _read(_split(stream, seed)) == whole
    assert _read([stream[place : place + 1] for place in range(len(stream))]) == whole
    if whole.refused is None:
        _compare(whole, _Reference(stream))
    elif _PLAIN.fullmatch(stream):
        reference = _Reference(stream)
        assert len(reference.body) > MOST or len(reference.response.headers) > MAX_HEADERS


def _split(stream: bytes, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    places = sorted(chance.randrange(len(stream) + 1) for _ in range(chance.randrange(1, 8)))
    return [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]


def _read(pieces: list[bytes]) -> _Result:
    """All that is known of a response after these pieces and the end of the connection."""
    reader = ResponseReader(MOST)
    try:
        for number, piece in enumerate(pieces):
            reader.feed(piece)
            if reader.complete:
                reader.must_close |= any(pieces[number + 1 :])
                break
        else:
            reader.end(in_order=True)
        response = reader.response()
    except (TransportFailure, UnreadableResponse) as failure:
        return _Result(type(failure))
    finally:
        reader.close()
    return _Result(None, reader.status, tuple(reader.headers), response.content, reader.complete, reader.must_close)


class _Reference:
    """What h11 reads in the response to a GET."""

    def __init__(self, stream: bytes) -> None:
        self.connection = h11.Connection(h11.CLIENT)
        self.connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        self.connection.send(h11.EndOfMessage())
        self.connection.receive_data(stream)
        self.connection.receive_data(b"")
        self.body = b""
        while not isinstance(event := self.connection.next_event(), h11.EndOfMessage):
            assert event not in (h11.NEED_DATA, h11.PAUSED)
            if isinstance(event, h11.Response):
                self.response = event
            elif isinstance(event, h11.Data):
                self.body += event.data


def _compare(found: _Result, reference: _Reference) -> None:
    assert reference.response.status_code == found.status
    assert [*map(_normal, reference.response.headers)] == [*map(_normal, found.headers)]
    if not any(name == b"content-encoding" for name, _ in found.headers):
        assert reference.body == found.body
    if not found.must_close:
        # The connection is in the state for another request, with nothing left over.
        assert reference.connection.their_state is h11.DONE
        assert reference.connection.trailing_data == (b"", True)


def _normal(field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """h11 writes a transfer coding in lower case."""
    name, value = field
    return (name, value.lower()) if name == b"transfer-encoding" else (name, value)
