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


STAR = (
    "has a `*`, which stands for the port of a loopback address only, as in http://127.0.0.1:*/callback: "
    "list each URI exactly (inside one, write %2A)"
)
SEPARATOR = "holds a comma or semicolon between URIs: separate URIs with spaces (inside one, write %2C or %3B)"
FRAGMENT = "has a fragment, which a redirect URI can't have (RFC 6749 3.1.2): remove the # and what follows"
USER = "has a user name before its host: remove it"
CAPITALS = "has capital letters before its port: write localhost in lower case, as in http://localhost:*/callback"
NOT_ASCII = "has a character outside ASCII: write the host as xn--…, and percent-encode the rest"
QUOTED = "is in quotation marks, which are part of the value here: remove them"
RELATIVE = "is not an absolute URI: write it whole, as in https://app.example/callback"

DOTS = "has a `.` or `..` in its path, which browsers resolve: write the path without it"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("https://app.example/x/../cb", DOTS),
        ("https://app.example/./cb", DOTS),
        ("https://app.example/cb/..", DOTS),
        ("https://app.example/cb/.?x=1", DOTS),
        ("https://app.example/x/%2e%2E/cb", DOTS),
        ("http://127.0.0.1:*/x/.%2e/cb", DOTS),
        ("com.example.app:/x/../cb", DOTS),
        ("/../cb", RELATIVE),
        ("https://app.example/a,https://app.example/b", SEPARATOR),
        ("https://app.example/a;https://app.example/b", SEPARATOR),
        ("https://app.example/a,com.example.app:/cb", SEPARATOR),
        ("https://app.example/a,http://127.0.0.1:*/b", SEPARATOR),
        ("https://app.example/a,", SEPARATOR),
        ("https://app.example/a;", SEPARATOR),
        ("http://127.0.0.2:*/done", STAR),
        ("http://app.example:*/done", STAR),
        ("https://127.0.0.1:*/done", STAR),
        ("https://localhost:*/done", STAR),
        ("http://LOCALHOST:*/done", CAPITALS),
        ("HTTP://127.0.0.1:*/done", CAPITALS),
        ("https://bücher.example/cb", NOT_ASCII),
        ("https://app.example/bücher", NOT_ASCII),
        ("http://ﬂocalhost:*/done", NOT_ASCII),
        ("'https://app.example/cb'", QUOTED),
        ('"http://127.0.0.1:*/cb"', QUOTED),
        ("'https://app.example/cb", RELATIVE),
        ('https://app.example/cb"', RELATIVE),
        ("http://localhost.evil.example:*/done", STAR),
        ("http://user@127.0.0.1:*/done", STAR),
        ("http://127.0.0.1.evil.example:*/done", STAR),
        ("http://127.0.0.1:*x/done", STAR),
        ("http://127.0.0.1:*?x=1", STAR),
        ("http://127.0.0.1:*/*", STAR),
        ("http://127.0.0.1:*/a:*", STAR),
        ("http://[::2]:*/done", STAR),
        ("http://127x0.0.1:*/done", STAR),
        ("myapp://cb:*/done", STAR),
        ("https://*.example/done", STAR),
        ("https://app.example/*", STAR),
        ("*", STAR),
        ("http://127.0.0.1:*/done#x", FRAGMENT),
        ("https://app.example/done#", FRAGMENT),
        ("https://user@app.example/done", USER),
        ("https://user:password@app.example/done", USER),
        ("http://127.0.0.1:*/a|b", RELATIVE),
        ("http://127.0.0.1:*/a\n", STAR),
        ("/done", RELATIVE),
        ("app.example/done", RELATIVE),
        ("//app.example/done", RELATIVE),
        ("https://app.example/a b", RELATIVE),
        ("https:///done", RELATIVE),
        ("", RELATIVE),
    ],
)
def test_an_entry_that_can_not_be_meant(entry: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"^entry 2 ") as raised:
        RedirectAllowList([LISTED, entry])
    assert str(raised.value) == f"entry 2 {problem}"


def test_all_such_entries_are_reported() -> None:
    with pytest.raises(ValueError, match=r"^entry 1 ") as raised:
        RedirectAllowList(["/done", LISTED, "https://app.example/done#"])
    assert str(raised.value) == f"entry 1 {RELATIVE}\nentry 3 {FRAGMENT}"


@pytest.mark.parametrize("entry", ["https://app.example/a,b;c", "https://app.example/?a=1,2", "https://a.example/%2A"])
def test_a_comma_inside_a_uri_separates_nothing(entry: str) -> None:
    assert RedirectAllowList([entry]).allows(entry)


@pytest.mark.parametrize(
    "entry",
    ["https://app.example/..a/.well-known/b.", "https://app.example/.../cb", "https://app.example/cb?to=/../x"],
)
def test_dots_that_browsers_leave_alone(entry: str) -> None:
    assert RedirectAllowList([entry]).allows(entry)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_every_name_of_this_machine_may_have_any_port(host: str) -> None:
    anywhere = RedirectAllowList([f"http://{host}:*/cb"])
    assert anywhere.allows(f"http://{host}:54321/cb")
    others = {"localhost", "127.0.0.1", "[::1]"} - {host}
    for other in (*(f"http://{name}:54321/cb" for name in others), f"http://{host}.evil.example:1/cb"):
        assert not anywhere.allows(other)


def test_nothing_is_allowed_by_an_empty_list() -> None:
    assert not RedirectAllowList([]).allows(LISTED)
    assert not RedirectAllowList([]).allows("")


def test_whether_anything_is_listed() -> None:
    assert not RedirectAllowList([])
    assert RedirectAllowList([LISTED])
    assert RedirectAllowList(["http://127.0.0.1:*/done"])
