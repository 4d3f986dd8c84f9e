"""A body in chunks: what it holds, wherever it is cut, and what is too much of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http11.chunked import CHUNK_AVERAGE, CHUNK_LIMIT, CHUNKING_LIMIT, ChunkedBody
from gateway.http11.head import BadRequest
from tests.gateway.http11.echo_app import Post

FILLER = b"x" * (CHUNKING_LIMIT + 100)


TOO_MUCH = {
    "one trailer": b"0\r\nA: " + FILLER,
    "many trailers": b"0\r\n" + b"A: b\r\n" * (CHUNKING_LIMIT // 6 + 1),
    "whole trailers": b"0\r\n" + b"A: b\r\n" * (CHUNKING_LIMIT // 6 + 1) + b"\r\n",
    "a trailer without a colon": b"0\r\n" + FILLER,
    "one extension": b"1;" + FILLER,
    "many extensions": (b"1;" + b"x" * 1000 + b"\r\na\r\n") * 20,
    "the last chunk's extension": b"0;" + FILLER,
}


@pytest.mark.parametrize("cut", [10, 1500, 10**6])
@pytest.mark.parametrize("sent", TOO_MUCH.values(), ids=TOO_MUCH)
def test_trailers_and_extensions_are_limited(sent: bytes, cut: int) -> None:
    with pytest.raises(BadRequest, match="too many trailers or chunk extensions"):
        _read(ChunkedBody(), sent, cut)


def _read(reader: ChunkedBody, sent: bytes, cut: int) -> None:
    for at in range(0, len(sent), cut):
        reader.read(sent[at : at + cut])


@pytest.mark.parametrize("cut", [3, 57, 10**6])
@pytest.mark.parametrize("chunk", [1, 7, 57])
def test_the_count_of_chunks_is_the_same_however_a_body_is_cut(chunk: int, cut: int) -> None:
    """The last count that is accepted, and the first that is rejected."""
    most = (
        next(count for count in range(CHUNK_LIMIT, 10**5) if count > CHUNK_LIMIT + (count - 1) * chunk // CHUNK_AVERAGE)
        - 1
    )
    one = b"%x\r\n%b\r\n" % (chunk, b"x" * chunk)
    _read(ChunkedBody(), one * most, cut)
    with pytest.raises(BadRequest, match="too many chunks"):
        _read(ChunkedBody(), one * (most + 1), cut)


@given(content=st.binary(max_size=200), rest=st.binary(max_size=50), chunk=st.integers(1, 50), cut=st.integers(1, 60))
def test_a_chunked_body_is_what_was_sent(content: bytes, rest: bytes, chunk: int, cut: int) -> None:
    sent = Post(content, chunked=True, chunk=chunk, extension=b";a", trailers=b"A: b\r\n").sent.partition(b"\r\n\r\n")[
        2
    ]
    body, read = ChunkedBody(), b""
    for at in range(0, len(sent), cut):
        last = at + cut >= len(sent)
        piece, after = body.read(sent[at : at + cut] + (rest if last else b""))
        read += piece
        assert after == (rest if last else None)
    assert read == content
