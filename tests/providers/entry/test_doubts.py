from __future__ import annotations

import datetime as dt
import tomllib

import pytest
from msgspec import structs

from providers.entry.doubts import doubts
from providers.entry.provider import Provider
from providers.entry.urls import EntryContext
from tests.providers.entries import minimal
from wire.tables import read_table

TODAY = dt.date(2026, 11, 30)
SETTLED = """
account = "user_id"
[scopes]
sleep = "Read your sleep."
[revoke]
url = "https://acme.example/revoke"
token = "access_token"
[lifecycle]
ends = 2026-11-30
[[sources]]
facts = "all endpoints, and PKCE"
url = "https://acme.example/docs"
seen = 2025-11-30
sure = "documented"
"""


def entry(text: str) -> Provider:
    scoped = minimal("acme").replace("[token]", "scopes = ['sleep']\n[token]")
    return read_table(Provider, tomllib.loads(scoped + text), EntryContext("acme", {}, allow_private=False))


def test_an_entry_that_leaves_no_doubt() -> None:
    assert list(doubts(entry(SETTLED), TODAY)) == []


@pytest.mark.parametrize(
    ("old", "new", "doubt"),
    [
        ('sleep = "Read your sleep."', "", "scopes: is missing: users see no sentence that explains sleep"),
        ('account = "user_id"', "", "account: is missing"),
        (", and PKCE", "", "authorize.pkce_checked: is true"),
        (SETTLED[SETTLED.index("[revoke]") : SETTLED.index("[lifecycle]")], "", "revoke: is missing"),
        ("2025-11-30", "2025-11-29", "sources.0.seen: is more than a year ago: look at it again (row 1)"),
        ("2025-11-30", "2026-12-01", "sources.0.seen: is in the future (row 1)"),
        ("ends = 2026-11-30", "ends = 2026-11-29", "lifecycle.ends: has passed"),
        (SETTLED[SETTLED.index("[[sources]]") :], "", "sources: is missing"),
    ],
)
def test_a_doubt(old: str, new: str, doubt: str) -> None:
    (found,) = doubts(entry(SETTLED.replace(old, new)), TODAY)
    assert found.startswith(doubt)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('account = "user_id"', 'account_claim = "sub"'),
        (SETTLED[SETTLED.index("[revoke]") : SETTLED.index("[lifecycle]")], ""),
    ],
)
def test_what_settles_a_doubt(old: str, new: str) -> None:
    text = SETTLED.replace(old, new).replace("and PKCE", "PKCE, and that there is no revocation")
    assert list(doubts(entry(text), TODAY)) == []


def test_a_verifier_that_is_not_known_to_be_checked_needs_no_source() -> None:
    text = SETTLED.replace(", and PKCE", "")
    scoped = minimal("acme").replace("[token]", "scopes = ['sleep']\npkce_checked = false\n[token]")
    found = read_table(Provider, tomllib.loads(scoped + text), EntryContext("acme", {}, allow_private=False))
    assert list(doubts(found, TODAY)) == []


def test_sites_with_the_same_token_endpoint() -> None:
    plain = entry(SETTLED)
    elsewhere = structs.replace(plain, token=structs.replace(plain.token, url="https://eu.acme.example/token"))
    at_sites = {"us": plain, "eu": elsewhere, "uk": elsewhere}
    (doubt,) = doubts(structs.replace(plain, at_sites=at_sites), TODAY)
    assert doubt.startswith("sites.uk: has the same token endpoint as sites.eu: ")
