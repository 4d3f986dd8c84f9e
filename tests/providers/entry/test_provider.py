"""An entry as a whole: its own keys, keys in the wrong table, and what follows from them."""

from __future__ import annotations

from types import MappingProxyType
from uuid import UUID

import pytest

from providers.entry.provider import provider_id
from tests.providers.entries import minimal
from tests.providers.entry.reading import problems, read, revoke, top


@pytest.mark.parametrize(
    "text",
    [
        minimal("acme"),
        minimal("acme").replace("Acme Ring", "x" * 100),
        minimal("acme").replace("Acme Ring", "x"),
        top("notes = ''"),
    ],
)
def test_what_is_accepted(text: str) -> None:
    assert read(text).slug == "acme"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (minimal("acme").replace("Acme Ring", ""), "name: must not be empty"),
        (minimal("acme").replace("Acme Ring", "x" * 101), "name: must have 100 characters at most"),
        (top("notes = 7"), "notes: must be a string"),
        (minimal("acme").replace('docs = "https', 'docs = "ftp'), "docs: must be an http or https URL without a user "),
        (minimal("acme").replace('"https://acme.example/docs"', "1979-05-27"), "docs: must be a string"),
        (minimal("acme").partition("[token]")[0], "token: is missing"),
        (top("site = 'us'"), "site: is not a key of this format"),
        (top("at_sites = {}"), "at_sites: is not a key of this format"),
        (
            minimal("acme") + "ends = 'token'",
            "token.ends: is not a key of this format: it belongs in [lifecycle] or in [revoke]",
        ),
        (
            minimal("acme") + "refresh_grac = 7",
            "token.refresh_grac: is not a key of this format: did you mean refresh_grace?",
        ),
        (
            minimal("acme") + "notes = 7",
            "token.notes: is not a key of this format: it belongs at the top of the file, ",
        ),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    (found,) = problems(text)
    assert found.startswith(problem)


@pytest.mark.parametrize("slug", ["a", "0", "a" * 63, "a-b_c", "4-"])
def test_valid_slugs(slug: str) -> None:
    assert read(minimal(slug), slug).slug == slug


@pytest.mark.parametrize("slug", ["", "a" * 64, "-a", "_a", "A", "a.b", "é", "a b"])
def test_invalid_slugs(slug: str) -> None:
    assert problems(minimal(slug), slug)[0].startswith("slug: must ")


@pytest.mark.parametrize("slug", ["tendon", "tendon-vault", "tendon_vault"])
def test_no_entry_reads_settings_of_ours(slug: str) -> None:
    (found,) = problems(minimal(slug), slug)
    assert found.startswith("slug: must not begin with tendon")


@pytest.mark.parametrize("slug", ["tendons", "x-tendon", "ten-don"])
def test_other_slugs_with_our_name(slug: str) -> None:
    assert read(minimal(slug), slug).slug == slug


def test_nothing_of_an_entry_can_be_changed() -> None:
    entry = read(revoke("auth = 'bearer'\nparams = {a = 'b'}\nheaders = {a = 'b'}"))
    assert entry.revoke is not None
    for params in (entry.authorize.params, entry.token.params, entry.revoke.params, entry.scopes, entry.sites):
        assert isinstance(params, MappingProxyType)
    assert isinstance(entry.revoke.headers, MappingProxyType)
    for table in (entry, entry.authorize, entry.token, entry.revoke):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(table, "url" if table is not entry else "docs", "https://elsewhere.example")


def test_defaults() -> None:
    entry = read(minimal("acme"))
    assert entry.id == provider_id("acme") == UUID("65afc89c-39e1-52ad-bcf3-f09a5a7ee331")
    assert (entry.notes, entry.account, entry.granted, entry.after_exchange) == (None, None, None, None)
    assert (entry.api, entry.webhooks, entry.revoke, entry.site) == (None, None, None, "")


def test_without_revocation_nothing_is_ended() -> None:
    provider = read(minimal("acme"))
    assert not provider.revocation_ends_other_tokens
    assert not provider.revocation_ends_only_its_tokens
