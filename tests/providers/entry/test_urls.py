"""The URLs of an entry: which are refused, and where a fragment or a query may be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.entry.revoke import Revoke
from tests.providers.entries import minimal
from tests.providers.entry.reading import problems, read, revoke_at


@pytest.mark.parametrize(
    ("key", "tail", "is_valid"),
    [
        ("authorize", "#/", True),
        ("authorize", "?a=b#/c", True),
        ("authorize", "#", False),
        ("authorize", "#a/", False),
        ("token", "?a=b", True),
        ("token", "#/", False),
        ("token", "#", False),
        ("docs", "#anchor", True),
    ],
)
def test_where_a_fragment_is_allowed(key: str, tail: str, *, is_valid: bool) -> None:
    text = re.sub(f"acme.example/{key}", lambda found: found[0] + tail, minimal("acme"))
    if is_valid:
        assert read(text)
    else:
        (problem,) = problems(text)
        assert problem.startswith(f"{key}.url: must not have a fragment")


DOTS = "must not have . or .. between the slashes of its path"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://127.1/", "must have a host name or an IP address"),
        ("https://a..b/", "must have a host name or an IP address"),
        ("https://x.1/", "must have a host name or an IP address"),
        ("https://[::1]/", "must not be a private address"),
        ("http://acme.example/", "must be https"),
        ("http://localhost/", "must be https"),
        ("HTTPS://localhost./", "must not be a private address"),
        ("https://a.localhost/", "must not be a private address"),
        ("https://acme.example/a/../token", DOTS),
        ("https://acme.example/./token?a", DOTS),
        ("https://acme.example/a/.%2E", DOTS),
        ("https://acme.example/%2e#/", DOTS),
        ("https://{x}/", "uses {x}, which has no default in [variables]"),
        ("https://acme.example/{}", "uses {}, which has no default in [variables]"),
    ],
)
def test_urls_that_are_refused(url: str, problem: str) -> None:
    assert problems(minimal("acme").replace("https://acme.example/token", url)) == [f"token.url: {problem}"]


@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://acme.example/",
        "https://notlocalhost/",
        "https://localhost.example/",
        "https://acme.example/.a/b..?/../",
    ],
)
def test_urls_that_are_accepted(url: str) -> None:
    assert read(minimal("acme").replace("https://acme.example/token", url)).token.url == url


def test_variables_are_replaced_in_urls() -> None:
    text = minimal("acme").replace("https://acme.example/token", "https://{v}.example/{v}?{v}={v}")
    assert read(text).token.url == "https://value.example/value?value=value"


PARTS = st.sampled_from(
    ["/", "a", "?", "&x=", "{account}", "{access_token}", "{refresh_token}", "{client_id}", "{v}", "%2F"]
)


@given(tail=st.lists(PARTS, max_size=8).map("".join))
def test_placeholders_of_a_revocation_stay_as_they_are(tail: str) -> None:
    rule = read(revoke_at(f"https://acme.example/{tail}")).revoke
    assert isinstance(rule, Revoke)
    assert rule.url == f"https://acme.example/{tail.replace('{v}', 'value')}"


@pytest.mark.parametrize("name", ["account", "access_token", "refresh_token", "client_id"])
def test_placeholders_of_a_revocation_are_in_no_other_url(name: str) -> None:
    found = problems(minimal("acme").replace("/token", f"/{{{name}}}"))
    assert found == [f"token.url: uses {{{name}}}, which has no default in [variables]"]
