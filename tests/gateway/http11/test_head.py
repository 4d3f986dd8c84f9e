"""The head of a request: where it ends, wherever it is cut, what it holds, and which heads are rejected and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http11.head import (
    FIELD_LIMIT,
    HEAD_LIMIT,
    PATH_LIMIT,
    TARGET_LIMIT,
    BadRequest,
    Head,
    HeadReader,
    combined,
)
from tests.gateway.http11.loopback_app import head


def _read(reader: HeadReader, sent: bytes, cut: int) -> None:
    for at in range(0, len(sent), cut):
        reader.read(sent[at : at + cut])


def read(sent: bytes, cut: int = 10**6, reader: HeadReader | None = None) -> Head:
    """A whole head, with nothing after it."""
    reader = reader or HeadReader()
    for at in range(0, len(sent), cut):
        found, after = reader.read(sent[at : at + cut])
        if found is not None:
            assert (at + cut >= len(sent), after) == (True, b"")
            return found
    raise AssertionError("the head has not ended")


@given(
    fields=st.lists(st.sampled_from(["A: b", "C:", "Content-Length: 5", "Expect: x"]), max_size=5, unique=True),
    rest=st.binary(max_size=20),
    cut=st.integers(1, 12),
)
def test_the_end_of_a_head(fields: list[str], rest: bytes, cut: int) -> None:
    """It is found wherever the data is cut, and the data after it is returned."""
    reader, sent = HeadReader(), b"\r\n" + head("Host: test", *fields)
    found, after = None, b""
    for at in range(0, len(sent), cut):
        assert found is None
        found, after = reader.read(sent[at : at + cut] + (rest if at + cut >= len(sent) else b""))
    assert found is not None
    assert (after, found.target, found.method) == (rest, b"/", b"POST")
    assert len(found.headers) == len(fields) + 1


def test_what_a_head_holds() -> None:
    found = read(head("Host: test", "X-One:  \ta b\t ", "Content-Length: 12", start="PUT /a?b=c HTTP/1.1"))
    fields = [(b"host", b"test"), (b"x-one", b"a b"), (b"content-length", b"12")]
    assert found == Head(b"PUT", b"/a?b=c", "1.1", fields, True, False, 12)


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([], 0),
        (["Content-Length: 0"], 0),
        (["Content-Length: 00000000000000000007"], 7),
        (["Transfer-Encoding: chunked"], None),
        (["Transfer-Encoding: Chunked "], None),
    ],
)
def test_the_length_of_the_body(lines: list[str], length: int | None) -> None:
    assert read(head("Host: test", *lines)).content_length == length


@pytest.mark.parametrize(
    ("start", "lines", "kept"),
    [
        ("GET / HTTP/1.1", ["Host: test"], True),
        ("GET / HTTP/1.1", ["Host: test", "Connection: close"], False),
        ("GET / HTTP/1.1", ["Host: test", "Connection: x, Close"], False),
        ("GET / HTTP/1.0", [], False),
    ],
)
def test_whether_the_connection_is_kept(start: str, lines: list[str], kept: bool) -> None:
    assert read(head(*lines, start=start)).keep_alive is kept


@pytest.mark.parametrize(
    ("start", "line", "expected"),
    [
        ("POST / HTTP/1.1", "Expect: 100-continue", True),
        ("POST / HTTP/1.1", "EXPECT: 100-Continue", True),
        ("POST / HTTP/1.1", "Expect: 101-continue", False),
        ("POST / HTTP/1.1", "X: 100-continue", False),
        ("POST / HTTP/1.0", "Expect: 100-continue", False),
    ],
)
def test_who_waits_for_an_interim_response(start: str, line: str, expected: bool) -> None:
    reader = HeadReader()
    found = read(head("Host: test", line, start=start), reader=reader)
    assert found.expects_continue is expected
    if found.keep_alive:
        # That is so for one request only.
        assert read(head("Host: test"), reader=reader).expects_continue is False


def test_nothing_of_a_head_is_left_in_the_next_one() -> None:
    reader = HeadReader()
    big = head("Host: one", "X: " + "x" * (HEAD_LIMIT // 2), start="GET /first HTTP/1.1")
    for _ in range(4):
        read(big, reader=reader)
        found = read(head("Host: two", start="GET /second HTTP/1.1"), reader=reader)
        assert (found.target, found.headers) == (b"/second", [(b"host", b"two")])


def test_what_could_be_read_of_half_a_head() -> None:
    """By which an error knows the format of its response."""
    reader = HeadReader()
    assert not reader.begun
    reader.read(b"\r\n")
    assert not reader.begun
    reader.read(b"GET /graphql HTTP/1.1\r\nAccept: x\r\nA")
    assert reader.begun
    assert (reader.target, reader.headers) == (b"/graphql", [(b"accept", b"x")])


def padded(size: int, fields: int = 1) -> bytes:
    """A head of that many bytes."""
    sent = head("Host: test", *["A: b"] * fields, "X: ")
    return sent[:-4] + b"x" * (size - len(sent)) + b"\r\n\r\n"


def target(path: int, query: int = 0) -> bytes:
    value = "/" + "a" * (path - 1) + ("?" + "b" * (query - 1) if query else "")
    return head("Host: test", start=f"GET {value} HTTP/1.1")


LIMITS = {
    "bytes": (padded(HEAD_LIMIT), padded(HEAD_LIMIT + 1), 431, "The headers are too large."),
    "blank lines": (
        b"\r\n" * 1000 + padded(HEAD_LIMIT - 2000),
        b"\r\n" * 1000 + padded(HEAD_LIMIT - 1999),
        431,
        "The headers are too large.",
    ),
    "fields": (
        head("Host: test", *["A: b"] * (FIELD_LIMIT - 1)),
        head("Host: test", *["A: b"] * FIELD_LIMIT),
        431,
        "There are too many headers.",
    ),
    "target": (
        target(PATH_LIMIT, TARGET_LIMIT - PATH_LIMIT),
        target(PATH_LIMIT, TARGET_LIMIT - PATH_LIMIT + 1),
        414,
        "The request target is too long.",
    ),
    "path": (target(PATH_LIMIT), target(PATH_LIMIT + 1), 414, "The path is too long."),
    "path with a query": (target(PATH_LIMIT, 10), target(PATH_LIMIT + 1, 10), 414, "The path is too long."),
    "host": (head("Host: " + "a" * 300), head("Host: " + "a" * 301), 400, "The Host header is malformed."),
    "length": (
        head("Host: test", "Content-Length: " + "0" * 20),
        head("Host: test", "Content-Length: " + "0" * 21),
        400,
        "The Content-Length is too long.",
    ),
}


@pytest.mark.parametrize("cut", [7, 10**6])
@pytest.mark.parametrize("limit", LIMITS)
def test_the_last_that_is_accepted_and_the_first_that_is_rejected(limit: str, cut: int) -> None:
    accepted, rejected, status, message = LIMITS[limit]
    read(accepted, cut)
    with pytest.raises(BadRequest) as refusal:
        read(rejected, cut)
    assert (refusal.value.status, refusal.value.message) == (status, message)


def test_the_limits() -> None:
    assert (HEAD_LIMIT, FIELD_LIMIT, TARGET_LIMIT, PATH_LIMIT) == (65_536, 256, 8192, 1024)


@pytest.mark.parametrize("sent", [b"GET /" + b"a" * 8192, head("Host: test", *["A: b"] * 300)[:-2], b"A" * 65_537])
def test_a_head_that_has_not_ended_is_rejected_when_it_is_too_long(sent: bytes) -> None:
    with pytest.raises(BadRequest):
        HeadReader().read(sent)


INVALID = "The request is not valid HTTP/1.1."
HOST = "There must be one Host header."
MALFORMED_HOST = "The Host header is malformed."
CODING = "Transfer-Encoding must be chunked, and nothing else."
TARGET = "The request target is malformed."
REASONS = {
    "no host": (head(), HOST),
    "two hosts": (head("Host: test", "Host: test"), HOST),
    "two hosts in version 1.0": (head("Host: a", "Host: b", start="GET / HTTP/1.0"), HOST),
    "an empty host": (head("Host:"), MALFORMED_HOST),
    "an empty host in version 1.0": (head("Host:", start="GET / HTTP/1.0"), MALFORMED_HOST),
    "hosts in one line": (head("Host: a, b"), MALFORMED_HOST),
    "a host with a user": (head("Host: user@test"), MALFORMED_HOST),
    "gzip and chunked": (head("Host: test", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked"), CODING),
    "gzip with an upgrade": (
        head("Host: test", "Connection: upgrade", "Upgrade: h2c", "Transfer-Encoding: gzip"),
        CODING,
    ),
    "chunked in version 1.0": (head("Transfer-Encoding: chunked", start="POST / HTTP/1.0"), CODING),
    "a list of codings": (head("Host: test", "Transfer-Encoding: gzip, chunked"), CODING),
    "CONNECT": (
        head("Host: test", start="CONNECT test:443 HTTP/1.1"),
        "This server is not a proxy: CONNECT is not supported.",
    ),
    "another version": (head("Host: test", start="GET / HTTP/2.0"), "The version of HTTP must be 1.1 or 1.0."),
    "a target that is no path": (head("Host: test", start="GET http://test HTTP/1.1"), TARGET),
    "a target that is no URI": (head("Host: test", start="GET http://[x/ HTTP/1.1"), TARGET),
    "half an escape": (
        head("Host: test", start="GET /a%2 HTTP/1.1"),
        "The request target has a malformed percent-encoding.",
    ),
    "no escape": (
        head("Host: test", start="GET /?a=%zz HTTP/1.1"),
        "The request target has a malformed percent-encoding.",
    ),
    "another protocol": (head("Host: test", start="GET / RTSP/1.0"), INVALID),
    "a field without a name": (head("Host: test", ": b"), INVALID),
}


@pytest.mark.parametrize("name", REASONS)
def test_why_a_head_is_rejected(name: str) -> None:
    sent, reason = REASONS[name]
    with pytest.raises(BadRequest) as refusal:
        HeadReader().read(sent)
    assert (refusal.value.status, refusal.value.message) == (400, reason)


@pytest.mark.parametrize(
    "start", ["GET /%41%7e HTTP/1.1", "GET http://test/a HTTP/1.1", "OPTIONS /a%2F HTTP/1.1", "GET //x HTTP/1.1"]
)
def test_targets_that_are_accepted(start: str) -> None:
    assert read(head("Host: test", start=start)).target == start.split()[1].encode()


@pytest.mark.parametrize("cut", range(1, 40))
@pytest.mark.parametrize("start", ["GET / RTSP/1.0", "GET / ICE/1.0", "SOURCE / HTTP/1.1x", "GET / XHTTP/1.1"])
def test_another_protocol(start: str, cut: int) -> None:
    sent = head("Host: test", start=start)
    with pytest.raises(BadRequest, match=r"not valid HTTP/1\.1"):
        _read(HeadReader(), sent, cut)


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"cookie"]), st.binary(max_size=3))))
def test_combined_fields_lose_nothing(fields: list[tuple[bytes, bytes]]) -> None:
    found = combined(fields)
    for name in (b"a", b"b"):
        values = [value for other, value in fields if other == name]
        assert [value for other, value in found if other == name] == ([b", ".join(values)] if values else [])
    assert [pair for pair in found if pair[0] == b"cookie"] == [pair for pair in fields if pair[0] == b"cookie"]
