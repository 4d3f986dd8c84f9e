"""Which providers are available to users, and what the others lack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.provider_list import ListedProvider, list_providers, list_unsupported, needed_settings
from gateway.settings import CatalogueSettings
from providers.catalogue import read_entry
from providers.client_keys import new_key
from providers.entry.token import AssertionAlgorithm
from tests.providers.entries import minimal, provider

SITES = """
[variables]
host = "acme.example"
[sites.us]
name = "United States"
[sites.eu]
name = "Europe"
variables = { host = "acme.eu" }
[sites.test]
name = "Test"
offered = false
"""
BOTH = {"ACME_CLIENT_ID": "x", "ACME_CLIENT_SECRET": "y"}


def listed(folder: Path, tables: str, environment: Mapping[str, str]) -> ListedProvider:
    file = folder / "acme.toml"
    file.write_text(minimal("acme") + tables, encoding="utf-8")
    entry = read_entry(file, variables=environment)
    (found,) = list_providers({"acme": entry}, CatalogueSettings(), environment)
    return found


@pytest.mark.parametrize(
    ("environment", "reason", "unset"),
    [
        (BOTH, None, ()),
        ({}, "set ACME_CLIENT_ID and ACME_CLIENT_SECRET", ("ACME_CLIENT_ID", "ACME_CLIENT_SECRET")),
        ({"ACME_CLIENT_ID": "x"}, "no client secret: set ACME_CLIENT_SECRET", ("ACME_CLIENT_SECRET",)),
        ({**BOTH, "ACME_CLIENT_ID": "x "}, "ACME_CLIENT_ID begins or ends with white space: remove it", ()),
    ],
)
def test_why_a_provider_is_not_available(
    tmp_path: Path, environment: dict[str, str], reason: str | None, unset: tuple[str, ...]
) -> None:
    found = listed(tmp_path, "", environment)
    assert (found.reason, found.unset, found.sites) == (reason, unset, ())


@pytest.mark.parametrize(
    ("key", "environment", "reason", "unset"),
    [
        (None, {}, "set ACME_CLIENT_ID and TENDON_CLIENT_KEYS", ("ACME_CLIENT_ID", "TENDON_CLIENT_KEYS")),
        (None, {"ACME_CLIENT_ID": "x"}, "no key for ES256: set TENDON_CLIENT_KEYS", ("TENDON_CLIENT_KEYS",)),
        ("RS256", {"ACME_CLIENT_ID": "x"}, "no key for ES256: set TENDON_CLIENT_KEYS", ("TENDON_CLIENT_KEYS",)),
        ("ES256", {}, "set ACME_CLIENT_ID", ("ACME_CLIENT_ID",)),
        ("ES256", {"ACME_CLIENT_ID": "x"}, None, ()),
    ],
)
def test_a_provider_that_requires_a_signature(
    key: AssertionAlgorithm | None, environment: dict[str, str], reason: str | None, unset: tuple[str, ...]
) -> None:
    entry = provider(token="auth = 'private_key_jwt'\nalgorithm = 'ES256'")
    settings = CatalogueSettings(client_keys=(new_key(key),) if key else ())
    (found,) = list_providers({"acme": entry}, settings, environment)
    assert (found.reason, found.unset) == (reason, unset)
    assert needed_settings(entry) == ["ACME_CLIENT_ID", "TENDON_CLIENT_KEYS"]


def test_the_sites_of_a_provider(tmp_path: Path) -> None:
    assert listed(tmp_path, SITES, BOTH).sites == ("us", "eu")
    without = listed(tmp_path, SITES, {})
    assert (without.sites, without.reason) == (("us", "eu"), "set ACME_CLIENT_ID and ACME_CLIENT_SECRET")


@pytest.mark.parametrize(
    ("others", "own", "lacking", "what"),
    [
        ({"ACME_API_KEY": "k"}, "ACME_US_CLIENT_ID", "ACME_US_CLIENT_SECRET", "client secret"),
        ({"ACME_US_CLIENT_SECRET": "y"}, "ACME_US_CLIENT_ID", "ACME_API_KEY", "api key"),
        ({**BOTH, "ACME_API_KEY": "k"}, "ACME_US_CLIENT_SECRET", "ACME_US_CLIENT_ID", "client id"),
        ({**BOTH, "ACME_API_KEY": "k"}, "ACME_TEST_CLIENT_ID", "ACME_TEST_CLIENT_SECRET", "client secret"),
    ],
)
def test_a_site_that_has_only_some_credentials_of_its_own(
    tmp_path: Path, others: dict[str, str], own: str, lacking: str, what: str
) -> None:
    tables = f"[registration]\nsecrets = ['api_key']\n{SITES}"
    found = listed(tmp_path, tables, {**others, own: "x"})
    assert (found.reason, found.unset) == (f"no {what}: set {lacking}", (lacking,))
    complete = listed(tmp_path, tables, {**others, own: "x", lacking: "z"})
    assert complete.reason is None


def test_a_provider_that_offers_no_site(tmp_path: Path) -> None:
    tables = '[sites.a]\nname = "A"\noffered = false\n[sites.b]\nname = "B"\noffered = false\n'
    found = listed(tmp_path, tables, BOTH)
    assert (found.sites, found.unset) == ((), ("ACME_SITES",))
    assert found.reason == "no site is offered: set ACME_SITES to one or more of a,b"


def test_a_provider_whose_sites_are_named_by_the_operator(tmp_path: Path) -> None:
    text = f"open_sites = true\n{minimal('acme')}[variables]\nhost = ''\n"
    (tmp_path / "acme.toml").write_text(text, encoding="utf-8")

    def found(**sites: str) -> ListedProvider:
        environment = BOTH | sites
        entry = read_entry(tmp_path / "acme.toml", variables=environment)
        return list_providers({"acme": entry}, CatalogueSettings(), environment)[0]

    without = found()
    assert (without.sites, without.unset) == ((), ("ACME_SITES",))
    assert without.reason == "no site is offered: name some in ACME_SITES"
    named = found(ACME_SITES="mgh", ACME_MGH_HOST="mgh.example")
    assert (named.sites, named.reason) == (("mgh",), None)


def test_an_entry_takes_a_vendor_from_the_list(tmp_path: Path) -> None:
    entry = listed(tmp_path, "", {}).entry
    assert "zwift" in list_unsupported({})
    assert "zwift" not in list_unsupported({"zwift": entry})
