"""The allow-list of redirect URIs: exact strings, and a variable port on loopback where it is declared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.redirects import RedirectAllowList

LISTED = "https://app.example/oauth/callback"
LIST = RedirectAllowList([LISTED, "https://app.example/q?a=1&b=2", "com.example.app:/cb", "http://localhost:3000/cb"])
LOOPBACK = RedirectAllowList(["http://127.0.0.1:*/done", "http://[::1]:*/done?x=1", "http://127.0.0.1:*"])


def test_what_is_listed() -> None:
    for listed in (LISTED, "https://app.example/q?a=1&b=2", "com.example.app:/cb", "http://localhost:3000/cb"):
        assert LIST.allows(listed)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "",
        "https://app.example.evil.example/oauth/callback",
        "https://evilapp.example/oauth/callback",
        "https://app.example@evil.example/oauth/callback",
        "https://user@app.example/oauth/callback",
        "https://app.example\\@evil.example/oauth/callback",
        "https://app.example/oauth/../oauth/callback",
        "https://app.example/./oauth/callback",
        "https://app.example//oauth/callback",
        "https://APP.example/oauth/callback",
        "HTTPS://app.example/oauth/callback",
        "https://app.example/OAuth/callback",
        "https://app.example:443/oauth/callback",
        "https://app.example:8443/oauth/callback",
        "https://app.example./oauth/callback",
        "https://app.example/oauth/callback/",
        "https://app.example/oauth/callback/x",
        "https://app.example/oauth/callbac",
        "https://app.example/oauth/callback#",
        "https://app.example/oauth/callback#x",
        "https://app.example/oauth/callback?",
        "https://app.example/oauth/callback?x=1",
        "https://app.example/oauth/callback%20",
        "https://app.example/oauth%2Fcallback",
        "https://app.example/oauth/callback ",
        " https://app.example/oauth/callback",
        "https://app.example/oauth/callback\n",
        "https://аpp.example/oauth/callback",  # noqa: RUF001 - the first letter is Cyrillic
        "https://xn--pp-6kc.example/oauth/callback",
        "http://app.example/oauth/callback",
        "https://app.example/q?b=2&a=1",
        "https://app.example/q?a=1&b=2&c=3",
        "https://app.example/q?a=1",
        "com.example.app:/CB",
        "com.example.app://cb",
        "com.example.app2:/cb",
        "http://localhost:3001/cb",
        "http://localhost/cb",
        "http://127.0.0.1:3000/cb",
    ],
)
def test_what_only_looks_like_it(redirect_uri: str) -> None:
    assert not LIST.allows(redirect_uri)


@given(st.text(max_size=3), st.integers(0, len(LISTED)), st.integers(0, 3))
def test_any_change_is_refused(put: str, at: int, taken: int) -> None:
    changed = LISTED[:at] + put + LISTED[at + taken :]
    assert LIST.allows(changed) == (changed == LISTED)


@given(st.integers(1, 65535))
def test_any_loopback_port_where_declared(port: int) -> None:
    assert LOOPBACK.allows(f"http://127.0.0.1:{port}/done")
    assert LOOPBACK.allows(f"http://[::1]:{port}/done?x=1")
    assert LOOPBACK.allows(f"http://127.0.0.1:{port}")
    assert not LIST.allows(f"http://127.0.0.1:{port}/oauth/callback")


@given(st.integers(0, 10**6).map(str) | st.text("0123456789 +-_*٣", max_size=6) | st.text(max_size=4))
def test_ports_are_1_to_65535(port: str) -> None:
    is_port = port.isascii() and port.isdigit() and not port.startswith("0") and int(port) <= 65535
    assert LOOPBACK.allows(f"http://127.0.0.1:{port}/done") == is_port


@pytest.mark.parametrize("port", ["0", "00", "080", "65536", "99999", "100000", "", "*", "1 ", "1\n", "-1", "1e3"])
def test_what_is_no_port(port: str) -> None:
    assert not LOOPBACK.allows(f"http://127.0.0.1:{port}/done")


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://localhost:1234/done",
        "http://127.0.0.2:1234/done",
        "http://127.0.0.1.evil.example:1234/done",
        "http://127.0.0.1:1234@evil.example/done",
        "http://user@127.0.0.1:1234/done",
        "http://127.0.0.1:1234/done/",
        "http://127.0.0.1:1234/done?x",
        "http://127.0.0.1:1234/done#x",
        "http://127.0.0.1:1234/done\n",
        "http://127.0.0.1:1234/x/../done",
        "http://127x0.0.1:1234/done",
        "http://127.0.0.1/done",
        "https://127.0.0.1:1234/done",
        "http://[::1]:1234/done",
        "http://[::1]:1234/done?x=12",
        "http://[0:0:0:0:0:0:0:1]:1234/done?x=1",
        "http://[::1%25lo]:1234/done?x=1",
        "http://2130706433:1234/done",
        "http://0x7f.1:1234/done",
    ],
)
def test_nothing_else_varies(redirect_uri: str) -> None:
    assert not LOOPBACK.allows(redirect_uri)


@pytest.mark.parametrize(
    "entry",
    [
        "http://localhost:*/done",
        "http://127.0.0.2:*/done",
        "http://app.example:*/done",
        "https://127.0.0.1:*/done",
        "http://user@127.0.0.1:*/done",
        "http://127.0.0.1.evil.example:*/done",
        "http://127.0.0.1:*x/done",
        "http://127.0.0.1:*?x=1",
        "http://127.0.0.1:*/done#x",
        "http://127.0.0.1:*/a|b",
        "http://127.0.0.1:*/a\n",
        "http://[::2]:*/done",
        "myapp://cb:*/done",
        "/done",
        "app.example/done",
        "//app.example/done",
        "https://app.example/done#",
        "https://app.example/a b",
        "http://127x0.0.1:*/done",
        "*",
        "",
    ],
)
def test_an_entry_that_can_not_be_meant(entry: str) -> None:
    with pytest.raises(ValueError, match=r"^entry 2 is not an absolute URI without a fragment$"):
        RedirectAllowList([LISTED, entry])


def test_a_star_elsewhere_is_a_star() -> None:
    """A host and a path may hold one (RFC 3986 3.2.2 and 3.3)."""
    stars = RedirectAllowList(["https://*.example/done", "https://app.example/*", "https://app.example/a:*"])
    assert stars.allows("https://*.example/done")
    for redirect_uri in ("https://app.example/done", "https://app.example/a", "https://app.example/a:1"):
        assert not stars.allows(redirect_uri)


def test_nothing_is_allowed_by_an_empty_list() -> None:
    assert not RedirectAllowList([]).allows(LISTED)
    assert not RedirectAllowList([]).allows("")
