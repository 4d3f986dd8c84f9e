"""What a request looks like on the wire, byte for byte, and what is never shown of it."""

from __future__ import annotations

import base64
import sys
from urllib.parse import unquote
from uuid import uuid4

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


UNFIT = ["", "Bearer é", "Bearer a\r\nX: x", "Bearer a\n", "Bearer \x7f", "Bearer\ta"]


@pytest.mark.parametrize("credentials", UNFIT)
def test_credentials_that_would_break_the_head_are_refused(credentials: str) -> None:
    with pytest.raises(ValueError, match="can't be sent in a header") as raised:
        request("GET", "https://acme.example", authorization=credentials)
    assert "Bearer" not in str(raised.value)


@pytest.mark.parametrize("personal", [True, False])
@pytest.mark.parametrize("value", UNFIT)
def test_header_fields_that_would_break_the_head_are_refused(value: str, *, personal: bool) -> None:
    with pytest.raises(ValueError, match="can't be sent in a header") as raised:
        request("GET", "https://acme.example", headers=(("X-Key", value),), personal=personal)
    assert "Bearer" not in str(raised.value)


def test_header_fields_are_added_or_replace_those_of_every_request() -> None:
    headers = (("accept", "application/vnd.acme+json"), ("X-Key", "a b"), ("User-Agent", "acme/1"))
    asking = request("GET", "https://acme.example/me", headers=headers, authorization="Bearer a")
    assert asking.content == (
        b"GET /me HTTP/1.1\r\nHost: acme.example\r\nAccept-Encoding: identity\r\nConnection: keep-alive\r\n"
        b"accept: application/vnd.acme+json\r\nX-Key: a b\r\nUser-Agent: acme/1\r\nAuthorization: Bearer a\r\n\r\n"
    )


def test_requests_to_one_url_differ_in_their_header_fields() -> None:
    contents = {
        request("GET", "https://acme.example/both", headers=headers).content
        for headers in ((), (("X-Key", "a"),), (("X-Key", "b"),))
    }
    assert len(contents) == 3


def test_a_request_with_a_document() -> None:
    asking = request("POST", "https://acme.example/users", json='{"é":1}'.encode())
    assert asking.content == (
        b"POST /users HTTP/1.1\r\nHost: acme.example\r\n"
        + COMMON
        + b"Content-Type: application/json\r\nContent-Length: 8\r\n\r\n"
        + '{"é":1}'.encode()
    )


def test_nothing_of_a_personal_request_is_kept() -> None:
    """The text is referred to once more as long as any part of it is in a cache."""
    url, value = f"https://acme.example/{uuid4()}", str(uuid4())
    before = sys.getrefcount(url), sys.getrefcount(value)
    request("GET", url, headers=(("X-Token", value),), personal=True)
    assert (sys.getrefcount(url), sys.getrefcount(value)) == before
    request("GET", url, headers=(("X-Token", value),))
    assert (sys.getrefcount(url), sys.getrefcount(value)) == (before[0] + 1, before[1] + 1)


def test_basic_credentials_are_form_encoded_on_both_sides_of_the_colon() -> None:
    scheme, _, pair = basic_credentials("a:b /é", "s+%&=/").partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(pair) == b"a%3Ab%20%2F%C3%A9:s%2B%25%26%3D%2F"
    assert unquote(base64.b64decode(pair).decode()) == "a:b /é:s+%&=/"


def test_a_request_shows_neither_its_credentials_nor_its_form() -> None:
    asking = request("POST", "https://acme.example", authorization="Bearer CANARY", form="code=CANARY")
    assert "CANARY" not in repr(asking)
    in_url = request("POST", "https://acme.example/CANARY?CANARY", headers=(("X-Key", "CANARY"),))
    assert "CANARY" not in f"{in_url!r}{in_url}"
    assert "acme.example" in repr(asking)
