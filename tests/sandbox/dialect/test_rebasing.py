"""Entries with the sandbox's URLs in place of the provider's."""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.dialect import DialectError, read_dialects, rebase
from sandbox.dialect.rebasing import as_toml
from tests.sandbox.entries import ACME, ENTRIES, SANDBOX

BASE = "http://127.0.0.1:8000/sandbox"


def rebased(text: str, base: str = BASE) -> dict[str, Any]:
    return tomllib.loads(rebase(text, base))


def test_the_urls_change_and_nothing_else() -> None:
    entry = rebased(ACME)
    assert entry["authorize"].pop("url") == f"{BASE}/acme/authorize"
    assert entry["token"].pop("url") == f"{BASE}/acme/token"
    assert entry["token"].pop("refresh_url") == f"{BASE}/acme/refresh"
    assert entry["account"].pop("url") == f"{BASE}/acme/account"
    assert entry["revoke"].pop("url") == f"{BASE}/acme/revoke"
    before = tomllib.loads(ACME)
    for table in ("authorize", "token", "account", "revoke"):
        del before[table]["url"]
    del before["token"]["refresh_url"]
    assert entry == before


def test_what_a_url_has_besides_stays() -> None:
    whoop, polar, garmin, zepp, oura = (rebased(ENTRIES[slug]) for slug in ("whoop", "polar", "garmin", "zepp", "oura"))
    assert whoop["api"]["base"] == f"{BASE}/whoop/api"
    assert polar["revoke"]["url"] == f"{BASE}/polar/revoke/{{account}}"
    assert polar["after_exchange"]["url"] == f"{BASE}/polar/after_exchange"
    assert garmin["token"]["url"] == f"{BASE}/garmin/token?v=2"
    assert garmin["granted"]["url"] == f"{BASE}/garmin/granted?all=1"
    assert zepp["authorize"]["url"] == f"{BASE}/zepp/authorize?lang=en#/?app=1"
    assert oura["revoke"]["url"] == f"{BASE}/oura/revoke?access_token={{access_token}}"


def test_only_endpoints_are_rebased() -> None:
    text = SANDBOX + '[api]\nbase = "{origin}/api"\n[variables]\nbase = "x"\nurl = "https://a.example/"\n'
    entry = rebased(f'sources = [{{ url = "https://b.example/" }}]\n{text}')
    assert (entry["api"]["base"], entry["variables"]) == (f"{BASE}/api", {"base": "x", "url": "https://a.example/"})
    assert entry["sources"] == [{"url": "https://b.example/"}]


def test_the_paths_of_the_sandbox_entry_have_no_slug() -> None:
    entry = rebased(SANDBOX, f"{BASE}/")
    assert entry["authorize"]["url"] == f"{BASE}/authorize"
    assert entry["token"]["url"] == f"{BASE}/token"
    assert entry["account"]["url"] == f"{BASE}/userinfo"
    assert entry["revoke"]["url"] == f"{BASE}/revoke"


def test_each_site_has_paths_of_its_own() -> None:
    entry = rebased(ENTRIES["dexcom"])
    assert entry["token"]["url"] == f"{BASE}/dexcom/{{sandbox_site}}/token"
    assert entry["revoke"]["url"] == f"{BASE}/dexcom/{{sandbox_site}}/revoke/{{account}}/t-{{refresh_token}}"
    assert entry["variables"] == {"host": "api.dexcom.example", "sandbox_site": "us"}
    assert entry["sites"]["us"]["variables"] == {"sandbox_site": "us"}
    assert entry["sites"]["eu"]["variables"] == {"host": "api.dexcom-eu.example", "sandbox_site": "eu"}
    assert (entry["authorize"]["params"], entry["authorize"]["iss"]) == ({"aud": "https://{host}"}, "https://{host}")


@pytest.mark.parametrize("slug", ENTRIES)
def test_a_rebased_entry_has_the_same_dialects_and_no_other_host(slug: str) -> None:
    text = rebase(ENTRIES[slug], BASE)
    assert read_dialects(tomllib.loads(text)) == read_dialects(tomllib.loads(ENTRIES[slug]))
    entry = tomllib.loads(text)
    tables = (entry.get(name, {}) for name in ("authorize", "token", "account", "granted", "after_exchange", "revoke"))
    urls = [table[key] for table in tables for key in ("url", "refresh_url") if key in table]
    assert all(url.startswith(f"{BASE}/") for url in urls)


def test_urls_may_stand_anywhere() -> None:
    text = """slug = "a"
token.url = "https://a.example/token"
authorize = { url = "https://a.example/authorize" }
account.url = \"\"\"
https://a.example/me\"\"\"
"""
    entry = rebased(text)
    urls = [entry[name]["url"] for name in ("token", "authorize", "account")]
    assert urls == [f"{BASE}/a/{name}" for name in ("token", "authorize", "account")]


@pytest.mark.parametrize("text", ["name = 'x'", 'slug = "a"\n[token]\nurl = 1', 'slug = "a"\ntoken = "x"'])
def test_what_is_no_entry_is_an_error(text: str) -> None:
    with pytest.raises(DialectError):
        rebase(text, BASE)


SCALARS = st.one_of(
    st.text(),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.floats(allow_nan=False),
    st.dates(dt.date(1, 1, 1)),
    st.datetimes(),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)


@settings(max_examples=50)
@given(st.dictionaries(st.text().filter(lambda name: name not in ("slug", "sites")), VALUES, max_size=3))
def test_every_value_survives(rest: dict[str, Any]) -> None:
    assert tomllib.loads(as_toml(rest)) == rest


def test_sites_that_the_operator_names_are_written_out() -> None:
    added = {"mgh": {"name": "Mass General", "variables": {"host": "mgh.example"}}}
    entry = tomllib.loads(rebase(ENTRIES["dexcom"], BASE, added))
    assert list(entry["sites"]) == ["us", "eu", "mgh"]
    assert entry["sites"]["mgh"] == {
        "name": "Mass General",
        "variables": {"host": "mgh.example", "sandbox_site": "mgh"},
    }
    alone = tomllib.loads(rebase(ACME, BASE, {"mgh": {"name": "mgh"}}))
    assert alone["token"]["url"] == f"{BASE}/acme/{{sandbox_site}}/token"
