"""What a request looks like on the wire, byte for byte, and what is never shown of it."""

from __future__ import annotations

import base64
from urllib.parse import unquote

import pytest

from wire.http.client import basic_credentials, request
from wire.http.connections import Origin

COMMON = b"Accept: application/json\r\nAccept-Encoding: identity\r\nConnection: keep-alive\r\nUser-Agent: Tendon\r\n"


def test_a_request_without_a_body() -> None:
    asking = request("GET", "https://acme.example/path%20a/b?x=1&y=%2f", authorization="Bearer a b~")
    assert asking.content == (
        b"GET /path%20a/b?x=1&y=%2f HTTP/1.1\r\nHost: acme.example\r\n" + COMMON + b"Authorization: Bearer a b~\r\n\r\n"
    )


def test_a_request_with_a_form() -> None:
    asking = request("POST", "https://acme.example/token", form="code=a&x=%C3%A9")
    assert asking.content == (
        b"POST /token HTTP/1.1\r\nHost: acme.example\r\n"
        + COMMON
        + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n\r\ncode=a&x=%C3%A9"
    )


@pytest.mark.parametrize(("method", "length"), [("POST", b"Content-Length: 0\r\n"), ("DELETE", b""), ("GET", b"")])
def test_only_a_post_without_a_form_says_that_its_body_is_empty(method: str, length: bytes) -> None:
    asking = request(method, "https://acme.example")
    assert asking.content == method.encode() + b" / HTTP/1.1\r\nHost: acme.example\r\n" + COMMON + length + b"\r\n"


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("https://acme.example/", Origin("https", "acme.example", 443), b"acme.example"),
        ("http://acme.example/", Origin("http", "acme.example", 80), b"acme.example"),
        ("https://acme.example:443/", Origin("https", "acme.example", 443), b"acme.example"),
        ("https://ACME.example:8443/", Origin("https", "acme.example", 8443), b"acme.example:8443"),
        ("http://acme.example:443/", Origin("http", "acme.example", 443), b"acme.example:443"),
        ("http://[::1]:8080/", Origin("http", "::1", 8080), b"[::1]:8080"),
        ("https://bücher.example/", Origin("https", "xn--bcher-kva.example", 443), b"xn--bcher-kva.example"),
    ],
)
def test_where_a_request_goes(url: str, origin: Origin, host: bytes) -> None:
    asking = request("GET", url)
    assert asking.origin == origin
    assert b"\r\nHost: " + host + b"\r\n" in asking.content


@pytest.mark.parametrize("credentials", ["", "Bearer é", "Bearer a\r\nX: x", "Bearer a\n", "Bearer \x7f", "Bearer\ta"])
def test_credentials_that_would_break_the_head_are_refused(credentials: str) -> None:
    with pytest.raises(ValueError, match="the credentials can't be sent in a header") as raised:
        request("GET", "https://acme.example", authorization=credentials)
    assert "Bearer" not in str(raised.value)


def test_basic_credentials_are_form_encoded_on_both_sides_of_the_colon() -> None:
    scheme, _, pair = basic_credentials("a:b /é", "s+%&=/").partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(pair) == b"a%3Ab%20%2F%C3%A9:s%2B%25%26%3D%2F"
    assert unquote(base64.b64decode(pair).decode()) == "a:b /é:s+%&=/"


def test_a_request_shows_neither_its_credentials_nor_its_form() -> None:
    asking = request("POST", "https://acme.example", authorization="Bearer CANARY", form="code=CANARY")
    assert "CANARY" not in repr(asking)
    assert "acme.example" in repr(asking)
