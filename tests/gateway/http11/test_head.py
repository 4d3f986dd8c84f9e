"""The head of a request: where it ends, wherever it is cut, and what it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http11.head import BadRequest, HeadReader, combined
from tests.gateway.http11.loopback_app import head


def _read(reader: HeadReader, sent: bytes, cut: int) -> None:
    for at in range(0, len(sent), cut):
        reader.read(sent[at : at + cut])


@given(
    fields=st.lists(st.sampled_from(["A: b", "C:", "Content-Length: 5", "Expect: x"]), max_size=5, unique=True),
    rest=st.binary(max_size=20),
    cut=st.integers(1, 12),
)
def test_the_end_of_a_head(fields: list[str], rest: bytes, cut: int) -> None:
    """It is found wherever the data is cut, and the data after it is returned."""
    reader, sent = HeadReader(), b"\r\n" + head("Host: test", *fields)
    read, after = None, b""
    for at in range(0, len(sent), cut):
        assert read is None
        read, after = reader.read(sent[at : at + cut] + (rest if at + cut >= len(sent) else b""))
    assert read is not None
    assert (after, read.target, read.method) == (rest, b"/", b"POST")
    assert len(read.headers) == len(fields) + 1


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
