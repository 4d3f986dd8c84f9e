"""The bearer token of a request: which Authorization headers have one."""

from __future__ import annotations

import pytest

from gateway.bearer import read_bearer
from resolvers.errors import InvalidToken


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer lph_at_x", "lph_at_x"),
        ("bearer x", "x"),
        ("BEARER x", "x"),
        ("Bearer   x ", "x"),
        ("Bearer aZ09-._~+/==", "aZ09-._~+/=="),
        ("Bearer dev:alice", "dev:alice"),
        ("Bearer dev:alice@example.org", "dev:alice@example.org"),
        ("Bearer " + "x" * 8192, "x" * 8192),
    ],
)
def test_read(header: str, token: str) -> None:
    assert read_bearer([header]) == token


def test_no_header() -> None:
    assert read_bearer([]) is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer\tx",
        " Bearer x",
        ", Bearer x",
        "Bearer x y",
        "Bearer x, Bearer y",
        "Bearer x\n",
        "Bearer x\x00",
        'Bearer "x"',
        "Bearer é",
        "Bearer \ud800",
        "Bearer =",
        "Bearer x=y",
        "Bearer " + "x" * 8193,
    ],
)
def test_malformed(header: str) -> None:
    with pytest.raises(InvalidToken):
        read_bearer([header])


@pytest.mark.parametrize("header", ["Basic YWxpY2U6eA==", "Token x", "DPoP x", "Digest", "Bearerx", "x"])
def test_another_scheme_is_no_bearer_token(header: str) -> None:
    assert read_bearer([header]) is None


def test_two_headers() -> None:
    with pytest.raises(InvalidToken):
        read_bearer(["Bearer x", "Bearer x"])
