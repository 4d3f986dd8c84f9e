"""A body in chunks: what it holds, wherever it is cut, and what is too much of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http11.bodies import CHUNK_AVERAGE, CHUNK_LIMIT, CHUNKING_LIMIT, ChunkedBody
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


LAST = b"0\r\n\r\n"


def whole(sent: bytes, cut: int = 10**6) -> bytes:
    """The content of a body with nothing after it."""
    body, read = ChunkedBody(), b""
    for at in range(0, len(sent), cut):
        piece, after = body.read(sent[at : at + cut])
        read += piece
        if after is not None:
            assert (at + cut >= len(sent), after) == (True, b"")
            return read
    raise AssertionError("the body has not ended")


def line(size: int, length: int) -> bytes:
    """A chunk's size line of that many bytes."""
    digits = b"%x;" % size
    return digits + b"x" * (length - len(digits) - 2) + b"\r\n"


def trailer(length: int) -> bytes:
    return b"A:" + b"x" * (length - 4) + b"\r\n"


# Each chunk may have 16 bytes of size line, and two per byte of its content, before they count.
LIMITS = {
    "a trailer": (b"0\r\n" + trailer(CHUNKING_LIMIT), b"0\r\n" + trailer(CHUNKING_LIMIT + 1)),
    "two trailers": (
        b"0\r\n" + trailer(10) + trailer(CHUNKING_LIMIT - 10),
        b"0\r\n" + trailer(10) + trailer(CHUNKING_LIMIT - 9),
    ),
    "extension and trailer": (
        line(0, 116) + trailer(CHUNKING_LIMIT - 100),
        line(0, 116) + trailer(CHUNKING_LIMIT - 99),
    ),
    # Ordinary chunks make up for the excess of others: these four for 4 * (16 + 2 * 10 - 3) bytes.
    "an excess that was made up for": (
        line(1, 1018) + b"a\r\n" + b"a\r\n0123456789\r\n" * 4 + b"0\r\n" + trailer(CHUNKING_LIMIT - 1000 + 132 + 13),
        line(1, 1018) + b"a\r\n" + b"a\r\n0123456789\r\n" * 4 + b"0\r\n" + trailer(CHUNKING_LIMIT - 1000 + 132 + 14),
    ),
    "nothing can be saved up": (
        b"a\r\n0123456789\r\n" * 100 + b"0\r\n" + trailer(CHUNKING_LIMIT),
        b"a\r\n0123456789\r\n" * 100 + b"0\r\n" + trailer(CHUNKING_LIMIT + 1),
    ),
}


@pytest.mark.parametrize("cut", [5, 10**6])
@pytest.mark.parametrize("limit", LIMITS)
def test_the_last_overhead_that_is_accepted_and_the_first_that_is_rejected(limit: str, cut: int) -> None:
    accepted, rejected = LIMITS[limit]
    whole(accepted + b"\r\n", cut)
    with pytest.raises(BadRequest) as refusal:
        whole(rejected + b"\r\n", cut)
    assert (refusal.value.status, refusal.value.message) == (
        431,
        "The body has too many trailers or chunk extensions.",
    )


def test_the_longest_extension() -> None:
    """A line that has not ended counts as a whole."""
    whole(line(1, CHUNKING_LIMIT + 18) + b"a\r\n" + LAST)
    with pytest.raises(BadRequest, match="too many trailers or chunk extensions"):
        whole(line(1, CHUNKING_LIMIT + 19) + b"a\r\n" + LAST)
    ChunkedBody().read(line(1, CHUNKING_LIMIT + 2)[:-2])
    with pytest.raises(BadRequest, match="too many trailers or chunk extensions"):
        ChunkedBody().read(line(1, CHUNKING_LIMIT + 3)[:-2])


def test_the_limits() -> None:
    assert (CHUNKING_LIMIT, CHUNK_LIMIT, CHUNK_AVERAGE) == (16_384, 1024, 64)


DATA = "A chunk's data does not match its size."
REASONS = {
    "too long": (b"3\r\nabcd\r\n" + LAST, DATA),
    "too long, not ended": (b"3\r\nabcd", DATA),
    "too short": (b"3\r\nab\r\n" + LAST, DATA),
    "a bare line feed": (b"3\r\nabc\n" + LAST, DATA),
    "no size": (b"\r\n", "A chunk's size is malformed."),
    "too many digits": (b"0" * 17 + b"\r\n", "A chunk's size is malformed."),
    "a blank": (b"3 \r\nabc\r\n" + LAST, "A chunk's size is malformed."),
    "a trailer without a colon": (b"0\r\nA\r\n\r\n", "A trailer is malformed."),
    "a trailer without a name": (b"0\r\n: b\r\n\r\n", "A trailer is malformed."),
}


@pytest.mark.parametrize("cut", [1, 10**6])
@pytest.mark.parametrize("name", REASONS)
def test_why_a_body_is_rejected(name: str, cut: int) -> None:
    sent, reason = REASONS[name]
    with pytest.raises(BadRequest) as refusal:
        whole(sent, cut)
    assert (refusal.value.status, refusal.value.message) == (400, reason)


@pytest.mark.parametrize("cut", [1, 2, 3, 10**6])
@pytest.mark.parametrize(
    ("sent", "content"),
    [
        (LAST, b""),
        (b"3\r\nabc\r\n" + LAST, b"abc"),
        (b"1\r\na\r\n2\r\nbc\r\n0003\r\ndef\r\n000\r\n\r\n", b"abcdef"),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n" + LAST, b"0123456789" * 2),
        (b'3 ; a="b" ;c\r\nabc\r\n0;x\r\nA: b\r\nC:\r\n\r\n', b"abc"),
        (b"6\r\n\r\n0\r\n\r\r\n" + LAST, b"\r\n0\r\n\r"),
        (b"0" * 15 + b"1\r\nx\r\n" + LAST, b"x"),
    ],
)
def test_what_a_body_holds(sent: bytes, content: bytes, cut: int) -> None:
    assert whole(sent, cut) == content


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"3\r\nabc", b"1\r\nx\r\n0\r\n\r\n"),
        (b"0\r\n", b"1\r\nx\r\n0\r\n\r\n"),
        (b"3\r\nabc\r", b"1\r\nx\r\n0\r\n\r\n"),
    ],
    ids=["behind content", "among trailers", "in a line end"],
)
def test_a_whole_chunk_where_none_may_be(first: bytes, second: bytes) -> None:
    body = ChunkedBody()
    body.read(first)
    with pytest.raises(BadRequest):
        body.read(second)


def test_a_size_that_comes_in_two_pieces() -> None:
    """The second one looks like a whole chunk."""
    body = ChunkedBody()
    assert body.read(b"1") == (b"", None)
    assert body.read(b"3\r\nabc\r\n") == (b"abc\r\n", None)
