"""The HTTP client's framing: however the bytes are split, they are the same response, and h11 reads the same one."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

import h11

from wire.http.errors import RequestFailed, TransportFailure, UnreadableResponse
from wire.http.response_reader import ResponseReader

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
    if whole.refused is None and whole.complete:
        _compare(whole, stream)


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


def _compare(found: _Result, stream: bytes) -> None:
    """h11 reads the same response to a GET, if it can read it at all."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(stream)
    connection.receive_data(b"")
    response, body = None, b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert event not in (h11.NEED_DATA, h11.PAUSED)
        if isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
    assert response is not None
    assert response.status_code == found.status
    assert [*map(_normal, response.headers)] == [*map(_normal, found.headers)]
    if not any(name == b"content-encoding" for name, _ in found.headers):
        assert body == found.body
    if not found.must_close:
        # The connection is in the state for another request, with nothing left over.
        assert connection.their_state is h11.DONE
        assert connection.trailing_data == (b"", True)


def _normal(field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """h11 writes a transfer coding in lower case."""
    name, value = field
    return (name, value.lower()) if name == b"transfer-encoding" else (name, value)
