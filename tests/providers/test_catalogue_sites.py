"""Entries with sites: the URLs of each, which of them are offered, and the environment variables that are theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.catalogue import CatalogueError, Provider, environment_names, read_catalogue
from tests.providers.entries import WITH_SITES, minimal


def read(folder: Path, text: str = WITH_SITES, **variables: str) -> Provider:
    (folder / "acme.toml").write_text(text, "utf-8")
    return read_catalogue(folder, variables=variables)["acme"]


def problems(folder: Path, text: str = WITH_SITES, **variables: str) -> tuple[str, ...]:
    with pytest.raises(CatalogueError) as found:
        read(folder, text, **variables)
    return found.value.problems


def hosts(entry: Provider) -> list[str]:
    """Of the entry itself, and of each site."""
    return [one.token.url.removeprefix("https://").partition(".acme")[0] for one in entry.everywhere]


def offered(entry: Provider) -> list[str]:
    return [id_ for id_, site in entry.sites.items() if site.offered]


def test_each_site_has_its_own_urls(tmp_path: Path) -> None:
    entry = read(tmp_path)
    assert (entry.site, entry.key) == ("", "acme")
    assert [(one.site, one.key) for one in entry.at_sites.values()] == [
        ("us", "acme/us"),
        ("eu", "acme/eu"),
        ("lab", "acme/lab"),
    ]
    assert hosts(entry) == ["us", "us", "eu", "lab"]
    eu = entry.at("eu")
    assert eu is not None
    assert (eu.authorize.url, eu.token.url) == ("https://eu.acme.example/authorize", "https://eu.acme.example/1/token")
    assert (entry.at(""), entry.at("asia")) == (entry, None)
    assert offered(entry) == ["us", "eu"]


def test_variables_are_overridden_for_all_sites_and_for_one(tmp_path: Path) -> None:
    """What an entry says of a site is more than what the environment says of all."""
    entry = read(tmp_path, ACME_HOST="other.acme.example", ACME_EU_HOST="de.acme.example", ACME_LAB_VERSION="9")
    assert hosts(entry) == ["other", "other", "de", "lab"]
    assert [one.token.url.split("/")[3] for one in entry.everywhere] == ["1", "1", "1", "9"]
    assert hosts(read(tmp_path, ACME_EU_HOST="")) == ["us", "us", "eu", "lab"]


def test_a_variable_of_a_site_that_there_is_not(tmp_path: Path) -> None:
    text = WITH_SITES.replace("variables = { host", "variables = { hots", 1)
    assert problems(tmp_path, text) == ("acme.toml: sites.eu.variables.hots: is not in [variables] (line 16)",)


def test_a_value_that_is_wrong_at_one_site(tmp_path: Path) -> None:
    found = problems(tmp_path, WITH_SITES.replace("eu.acme.example", "10.0.0.7"))
    assert found == (
        "acme.toml: sites.eu.authorize.url: must not be a private address (line 14)",
        "acme.toml: sites.eu.token.url: must not be a private address (line 14)",
    )
    (first, *_) = problems(tmp_path, ACME_LAB_HOST="exa mple")
    assert "sites.lab.authorize.url: must be an http or https URL" in first


def test_sites_that_a_state_cannot_tell_apart(tmp_path: Path) -> None:
    """Their digests begin alike."""
    text = WITH_SITES.replace("[sites.us]", "[sites.site-34359]").replace("[sites.eu]", "[sites.site-74386]")
    (found,) = problems(tmp_path, text)
    assert found.startswith(
        "acme.toml: sites.site-74386: has the same digest in a state as sites.site-34359: choose another id"
    )


@pytest.mark.parametrize(
    ("chosen", "ids"),
    [("", ["us", "eu"]), ("eu", ["eu"]), ("us, lab", ["us", "lab"]), ("lab,eu,us", ["us", "eu", "lab"])],
)
def test_the_operator_chooses_sites(tmp_path: Path, chosen: str, ids: list[str]) -> None:
    entry = read(tmp_path, ACME_SITES=chosen)
    assert offered(entry) == ids
    # Those that are not offered any more have connections still.
    assert list(entry.at_sites) == ["us", "eu", "lab"]


@pytest.mark.parametrize(("chosen", "numbers"), [("asia", [1]), ("us,", [2]), ("us;eu", [1]), ("EU,us,CANARY", [1, 3])])
def test_a_choice_of_unknown_sites(tmp_path: Path, chosen: str, numbers: list[int]) -> None:
    """The value is not repeated."""
    assert problems(tmp_path, ACME_SITES=chosen) == tuple(
        f"ACME_SITES: number {number} is not a site of Acme Ring: "
        "write the ids of some, with commas between them: us, eu, lab"
        for number in numbers
    )


def test_a_choice_for_a_provider_without_sites_changes_nothing(tmp_path: Path) -> None:
    entry = read(tmp_path, minimal("acme"), ACME_SITES="us")
    assert (entry.sites, entry.at_sites) == ({}, {})
    assert environment_names(entry) == ["ACME_CLIENT_ID", "ACME_CLIENT_SECRET"]


def test_the_environment_variables_of_an_entry(tmp_path: Path) -> None:
    places = ["", "US_", "EU_", "LAB_"]
    assert environment_names(read(tmp_path)) == [
        "ACME_SITES",
        *(f"ACME_{place}CLIENT_{kind}" for place in places for kind in ("ID", "SECRET")),
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (WITH_SITES.replace("[sites.lab]", "[sites.e-u]").replace("[sites.eu]", "[sites.e_u]"), "ACME_E_U_CLIENT_ID"),
        (WITH_SITES.replace('version = "1"', 'version = "1"\nsites = "x"'), "ACME_SITES"),
        (WITH_SITES.replace('version = "1"', 'version = "1"\neu_host = "x"'), "ACME_EU_HOST"),
        (WITH_SITES.replace("[authorize]", '[registration]\nsecrets = ["host"]\n[authorize]'), "ACME_EU_HOST"),
    ],
)
def test_a_name_with_two_meanings(tmp_path: Path, text: str, name: str) -> None:
    assert f"acme.toml: {name} in the environment would mean two things: choose other names" in problems(tmp_path, text)


def test_a_slug_that_is_like_another_one_at_a_site(tmp_path: Path) -> None:
    (tmp_path / "acme-eu.toml").write_text(minimal("acme-eu"), "utf-8")
    assert problems(tmp_path) == (
        "acme-eu.toml: slug: ACME_EU_CLIENT_ID in the environment is also for acme.toml: choose another slug",
    )
