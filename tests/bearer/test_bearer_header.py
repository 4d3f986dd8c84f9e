"""The Authorization header, and dev tokens."""

from __future__ import annotations

import pytest

from gateway.bearer import read_bearer
from gateway.bearer.dev import DevVerifier
from resolvers.caller import READ, WRITE, Caller
from resolvers.errors import InvalidToken


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
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
def test_read(header: str | None, token: str | None) -> None:
    assert read_bearer(header) == token


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
        "Bearer =",
        "Bearer x=y",
        "Bearer " + "x" * 8193,
    ],
)
def test_malformed(header: str) -> None:
    with pytest.raises(InvalidToken):
        read_bearer(header)


@pytest.mark.parametrize("header", ["Basic YWxpY2U6eA==", "Token x", "DPoP x", "Digest", "Bearerx", "x"])
def test_another_scheme_is_no_bearer_token(header: str) -> None:
    assert read_bearer(header) is None


@pytest.mark.parametrize("user", ["alice", "a", "A.b-c_d@example.org", "0", "x" * 64])
async def test_dev(user: str) -> None:
    verifier = DevVerifier()
    assert await verifier.verify(f"dev:{user}") == Caller(user, "dev", frozenset({READ, WRITE}))
    await verifier.close()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "dev",
        "dev:",
        "alice",
        "Dev:alice",
        "dev:alice:read:wearables",
        "dev: alice",
        "dev:alice\n",
        "dev:é",
        "dev:a/b",
        "dev:" + "x" * 65,
        " dev:alice",
        "dev:dev:alice",
    ],
)
async def test_no_dev_token(token: str) -> None:
    with pytest.raises(InvalidToken):
        await DevVerifier().verify(token)
