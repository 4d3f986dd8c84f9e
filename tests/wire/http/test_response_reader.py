"""How an answer is read: what is complete, what is refused, and that it does not matter how the bytes are split."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.errors import TransportFailure, UnreadableResponse
from tests.wire.http.event_loops import no_collection
from tests.wire.http.responses import AMBIGUOUS, CHUNKED, LAST, OK, WHOLE, Fault, outcome, read
from wire.http.response_reader import MAX_HEAD, MAX_HEADERS, MAX_MESSAGE_BODY, ResponseReader

UNTIL_THE_END = OK + b"\r\n{}"
EVERYTHING = [*WHOLE.values(), *LAST.values(), *AMBIGUOUS.values(), UNTIL_THE_END]


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE)
def test_a_complete_answer_allows_another_request(answer: bytes) -> None:
    reader = read(answer)
    assert (reader.status, reader.response().content, reader.complete, reader.must_close) == (200, b"{}", True, False)


@pytest.mark.parametrize("answer", LAST.values(), ids=LAST)
def test_a_last_answer_closes_the_connection(answer: bytes) -> None:
    reader = read(answer)
    assert (reader.status, reader.response().content, reader.complete, reader.must_close) == (200, b"{}", True, True)


@pytest.mark.parametrize("answer", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_ambiguous_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(TransportFailure, match="did not speak HTTP") as raised:
        read(answer, ends=True)
    assert raised.value.sent
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("field", [b"", b"Content-Length: 2\r\n"])
def test_some_statuses_have_no_body_whatever_the_headers_say(status: int, field: bytes) -> None:
    reader = read(b"HTTP/1.1 %d X\r\n%s\r\n" % (status, field))
    assert (reader.response().content, reader.complete, reader.must_close) == (b"", True, False)
    # What follows nevertheless does not belong to the next answer.
    assert read(b"HTTP/1.1 %d X\r\n%s\r\n{}" % (status, field)).must_close


def test_bytes_after_the_longest_head_are_noticed() -> None:
    """Even if they arrive in the same piece as the head."""
    start = OK + b"Content-Length: 0\r\nX: "
    head = start + b"x" * (MAX_HEAD - len(start) - 4) + b"\r\n\r\n"
    assert not read(head).must_close
    assert read(head + b" ").must_close


def test_without_a_length_the_end_of_the_connection_ends_the_body() -> None:
    assert not read(UNTIL_THE_END).complete
    reader = read(UNTIL_THE_END, ends=True)
    assert (reader.response().content, reader.complete, reader.must_close) == (b"{}", True, True)


def test_without_a_length_a_broken_connection_is_a_failure() -> None:
    reader = ResponseReader(10)
    reader.feed(UNTIL_THE_END)
    with pytest.raises(TransportFailure):
        reader.end(in_order=False)


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE)
def test_an_incomplete_answer_is_a_failure(answer: bytes) -> None:
    for end in range(len(answer)):
        with pytest.raises(TransportFailure):
            read(answer[:end], ends=True)


def test_header_names_are_lower_case_and_trailers_are_dropped() -> None:
    assert read(WHOLE["chunks"]).headers == [(b"transfer-encoding", b"chunked")]
    assert read(WHOLE["odd spelling"]).headers == [(b"content-length", b"2"), (b"empty", b""), (b"x", b"\xff")]


def test_headers_of_interim_answers_are_dropped() -> None:
    assert read(WHOLE["interim answers"]).headers == [(b"content-length", b"2")]


def test_the_body_is_limited() -> None:
    body = OK + b"Content-Length: %d\r\n\r\n%s"
    assert len(read(body % (10, b"x" * 10), max_body=10).response().content) == 10
    with pytest.raises(UnreadableResponse, match="body is too large"):
        read(body % (11, b"x" * 11), max_body=10)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK, b"X: x\r\n"),
        (OK + b"X: ", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"1;", b"x"),
        (CHUNKED + b"0\r\n", b"X: x\r\n"),
        (CHUNKED + b"0\r\nX: ", b"x"),
        (CHUNKED, b"0"),
    ],
)
@pytest.mark.parametrize("size", [100, 8192])
def test_every_part_of_an_answer_is_limited(start: bytes, piece: bytes, size: int) -> None:
    part = piece * (size // len(piece))
    enough = (MAX_HEAD + MAX_MESSAGE_BODY) // len(part) + 1
    with pytest.raises(TransportFailure):
        read(start, *[part] * enough, max_body=1 << 30)


@pytest.mark.parametrize("head", [CHUNKED, OK + b"\r\n"], ids=["chunks", "until the end"])
@pytest.mark.parametrize(("more", "is_read"), [(0, True), (1, False)])
def test_a_message_is_limited_to_the_byte(head: bytes, more: int, *, is_read: bool) -> None:
    rest = b"" if head != CHUNKED else b"0\r\n\r\n"
    start = b"" if head != CHUNKED else b"1;"
    middle = b"" if head != CHUNKED else b"\r\nx\r\n"
    filler = b"x" * (MAX_MESSAGE_BODY + more - len(start + middle + rest))
    if is_read:
        assert read(head, start + filler + middle + rest, max_body=1 << 30, ends=True).complete
    else:
        with pytest.raises(TransportFailure, match="the answer is too large"):
            read(head, start + filler + middle + rest, max_body=1 << 30, ends=True)


def test_interim_answers_count_as_part_of_the_head() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    head = OK + b"Content-Length: 0\r\nX: "
    filler = b"x" * (MAX_HEAD - len(interim + head) - 4)
    assert read(interim, head + filler + b"\r\n\r\n").complete
    with pytest.raises(TransportFailure, match="the answer is too large"):
        read(interim, head + filler + b"x\r\n\r\n")


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_interim_statuses(status: int) -> None:
    assert read(b"HTTP/1.1 %d X\r\n\r\n" % status, WHOLE["a length"]).status == 200


@pytest.mark.parametrize("status", [200, 299, 999])
def test_final_statuses(status: int) -> None:
    assert read(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status).status == status


def test_an_answer_has_a_head_as_soon_as_it_is_read() -> None:
    reader = ResponseReader(10)
    reader.feed(b"HTTP/1.1 103 Hints\r\n\r\n" + OK)
    assert not reader.has_head
    reader.feed(b"\r\n")
    assert reader.has_head
    assert not reader.complete
    reader.close()


def test_the_number_of_headers_is_limited() -> None:
    assert len(read(OK + b"X: x\r\n" * (MAX_HEADERS - 1) + b"Content-Length: 0\r\n\r\n").headers) == MAX_HEADERS
    with pytest.raises(UnreadableResponse, match="too many fields"):
        read(OK + b"X: x\r\n" * MAX_HEADERS + b"Content-Length: 0\r\n\r\n")


def test_a_closed_reader_needs_no_garbage_collection() -> None:
    """There is one for each request, so it must not wait for the garbage collector."""
    with no_collection():
        for answer in WHOLE.values():
            read(answer)
        assert not [found for found in gc.get_objects() if isinstance(found, ResponseReader)]


@st.composite
def cut(draw: st.DrawFn, answers: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    """An answer, as a whole and in pieces."""
    answer = draw(answers)
    ends = sorted(draw(st.sets(st.integers(1, max(1, len(answer) - 1)), max_size=6)))
    return answer, [answer[start:end] for start, end in zip([0, *ends], [*ends, len(answer)], strict=True)]


@settings(max_examples=400, deadline=None)
@given(cut(st.sampled_from(EVERYTHING)))
def test_it_does_not_matter_how_an_answer_is_split(example: tuple[bytes, list[bytes]]) -> None:
    answer, pieces = example
    assert outcome(*pieces) == outcome(answer)
    assert outcome(*pieces, ends=False) == outcome(answer, ends=False)


@pytest.mark.parametrize("answer", EVERYTHING)
def test_an_answer_may_arrive_byte_by_byte(answer: bytes) -> None:
    assert outcome(*(bytes([byte]) for byte in answer)) == outcome(answer)


MANGLED = st.tuples(st.sampled_from(EVERYTHING), st.integers(0, 200), st.binary(max_size=3)).map(
    lambda mangled: mangled[0][: mangled[1]] + mangled[2] + mangled[0][mangled[1] + len(mangled[2]) :]
)


@settings(max_examples=600, deadline=None)
@given(cut(st.binary(max_size=300) | MANGLED | st.binary(max_size=100).map(lambda body: CHUNKED + body)))
def test_any_bytes_are_an_answer_or_a_safe_failure(example: tuple[bytes, list[bytes]]) -> None:
    answer, pieces = example
    found = outcome(*pieces)
    assert found == outcome(answer)
    if not isinstance(found, Fault):
        status, _fields, _body, complete, _last = found
        assert 200 <= status <= 999
        assert complete
