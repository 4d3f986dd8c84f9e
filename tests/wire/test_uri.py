"""URIs: what is accepted is one, and another reader finds the same scheme, host and port in it."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import uri
from wire.uri import MAX_LENGTH, has_userinfo, is_absolute, is_web

WEB = [
    "https://app.example",
    "https://app.example/",
    "http://app.example:8080/cb?x=1&y=%20#/done",
    "https://APP.example:65535/a/b/../c//",
    "HTTPS://app.example/",
    "https://127.0.0.1:1/cb",
    "https://[::1]:8443/cb",
    "https://[2001:db8::7]/",
    "https://[::ffff:127.0.0.1]/",
    "https://app.example?x=/?",
    "https://xn--bcher-kva.example/",
    "https://a-._~!$&'()*+,;=b/:@-._~!$&'()*+,;=",
]
ABSOLUTE = [
    *(url for url in WEB if "#" not in url),
    "com.example.app:/?x=1",
    "com.example.app:/cb",
    "com.example.app:/cb/deeper?x=1",
    "myapp://cb",
    "myapp://cb:1/x",
    "myapp://",
    "urn:ietf:wg:oauth:2.0:oob",
    "x:y",
    "com.example.app:/",
    "x:",
    "x:?a=b",
    "x:/?a=b",
    "a+b-c.d1:/x",
    "https://user@app.example/",
    "https://user:pass@app.example/",
]
NEITHER = [
    "",
    "/cb",
    "cb",
    "x:/?a=b c",
    "//app.example/cb",
    "?x=1",
    "app.example/cb",
    "http://",
    "https:///x",
    "https://:443/x",
    "https://user@/x",
    "https:/app.example/cb",
    "https:app.example",
    "https:",
    "://app.example/",
    "1app://cb",
    "ä://cb",
    "https://a|b/",
    "https://app.example/a|b",
    "https://app.example/%zz",
    "https://app.example/%2",
    "https://%zz/",
    "https://app.example\\@evil.example/",
    "https://app.example/\\",
    " https://app.example/",
    "https://app.example/ ",
    "https://app.example/a b",
    "https://app.example/\r\nSet-Cookie: a=b",
    "https://app.example/\n",
    "\nhttps://app.example/",
    "https://app.example/\x00",
    "https://app.example/\x7f",
    "https://app.example/\t",
    "https://app.example:65536/",
    "https://app.example:99999/",
    "https://app.example:000080/",
    "https://app.example:-1/",
    "https://app.example:8o/",
    "https://app.example:\u0661/",
    "https://app.example:/",
    "https://a@b@app.example/",
    "https://bücher.example/",
    "https://app.example/é",
    "https://app.example/\ud800",
    "https://[::1/",
    "https://::1/",
    "https://[]/",
    "https://[:::]/",
    "https://[1]/",
    "https://[::1%25eth0]/",
    "https://[::1]x/",
    "https://[v1.x]/",
    "https://app.example/<x>",
    'https://app.example/"',
    "https://app.example/`",
    "https://app.example/{x}",
    "https://app.example/[x]",
    "https://app.example/#a#b",
]


@pytest.mark.parametrize("text", WEB)
def test_web(text: str) -> None:
    assert is_web(text)


@pytest.mark.parametrize("text", ABSOLUTE)
def test_absolute(text: str) -> None:
    assert is_absolute(text)


@pytest.mark.parametrize("text", NEITHER)
def test_neither(text: str) -> None:
    assert (is_absolute(text), is_web(text)) == (False, False)


def test_what_one_takes_and_the_other_does_not() -> None:
    fragment, userinfo = "https://app.example/#", "https://user@app.example/"
    assert (is_absolute(fragment), is_web(fragment)) == (False, True)
    assert (is_absolute(userinfo), is_web(userinfo)) == (True, False)
    for app in ("com.example.app:/cb", "ftp://app.example/", "javascript:alert(1)"):
        assert (is_absolute(app), is_web(app)) == (True, False)


@pytest.mark.parametrize("text", ["https://user@app.example/", "https://@app.example/#x", "myapp://user:pass@cb"])
def test_userinfo(text: str) -> None:
    assert has_userinfo(text)
    assert not is_web(text)


@pytest.mark.parametrize("text", [*WEB, *NEITHER, "com.example.app:/cb", "myapp://cb", "mailto:user@app.example"])
def test_no_userinfo(text: str) -> None:
    assert not has_userinfo(text)


def test_length() -> None:
    assert MAX_LENGTH == 2048
    longest = "https://app.example/".ljust(2048, "a")
    assert is_absolute(longest)
    assert is_web(longest)
    assert not is_absolute(longest + "a")
    assert not is_web(longest + "a")


@pytest.mark.parametrize("text", ["a:" + "/" * 2000 + "|", "https://" + "a:" * 1000, "https://" + "%aa" * 600 + "%"])
def test_a_long_miss_is_a_quick_one(text: str) -> None:
    began = time.thread_time()
    assert not is_absolute(text)
    assert time.thread_time() - began < 1


# Parts of a URI by RFC 3986, put together at random: most are URIs, some are nearly.
PCHARS = st.text("aZ09-._~!$&'()*+,;=:@", max_size=4) | st.sampled_from(["%20", "%C3%a9", ""])
SCHEMES = st.sampled_from(["http", "https", "HTTPS", "x", "a+b-c.d1", "com.example.app"])
NAMES = st.text("aZ09-._~!$&'()*+,;=", min_size=1, max_size=6) | st.sampled_from(["a.example", "%20"])
HOSTS = NAMES | st.sampled_from(["[::1]", "[2001:db8::7]", "[1]", ""])
PORTS = st.sampled_from(["", "", ":1", ":80", ":65535", ":65536"])
PATHS = st.lists(PCHARS, max_size=3).map("/".join)
TAILS = st.lists(PCHARS | st.sampled_from(["/", "?"]), max_size=3).map("".join)
QUERIES = st.just("") | TAILS.map("?{}".format)
FRAGMENTS = st.just("") | TAILS.map("#{}".format)
AUTHORITIES = st.tuples(st.just("//"), st.sampled_from(["", "", "a@", "a:b@"]), HOSTS, PORTS, st.just("/")).map("".join)
STARTS = st.tuples(SCHEMES.map("{}:".format), AUTHORITIES).map("".join) | st.sampled_from(["x:/", "urn:a:", "https:/"])
GRAMMAR = st.tuples(STARTS, PATHS, QUERIES, FRAGMENTS).map("".join)


@st.composite
def near_misses(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(WEB + ABSOLUTE) | GRAMMAR)
    at = draw(st.integers(0, len(text)))
    put = draw(st.text(max_size=2) | st.sampled_from(["@", "\\", "/", "//", "[", "]", ":", "%", "#", "?", "\r\n", "|"]))
    return text[:at] + put + text[at + draw(st.integers(0, 1)) :]


@settings(deadline=None)
@given(GRAMMAR | near_misses() | st.text())
def test_another_reader_finds_the_same(text: str) -> None:
    if not (is_absolute(text) or is_web(text)):
        assert not has_userinfo(text) or "#" in text
        return
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    read, found = urlsplit(text), uri._match(text)
    assert found is not None
    assert read.scheme == found["scheme"].lower()
    assert (read.hostname or "").lower() == (found["host"] or "").strip("[]").lower()
    assert read.port == (int(found["port"]) if found["port"] else None)
    assert is_absolute(text) == ("#" not in text)
    assert is_web(text) == (read.scheme in ("http", "https") and "@" not in read.netloc)
    assert has_userinfo(text) == ("@" in read.netloc)
