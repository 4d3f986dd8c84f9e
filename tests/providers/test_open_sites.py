"""Sites that the operator names: their URLs and names, what is checked, and the names of environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.catalogue import CatalogueError, Provider, environment_names, read_catalogue
from providers.open_sites import sites_of_file
from tests.providers.entries import minimal

HOSPITALS = """
slug = "acme"
name = "Acme Records"
docs = "https://acme.example/docs"
open_sites = true
[variables]
host = ""
path = "fhir"
[authorize]
url = "https://{host}/{path}/authorize"
params = { aud = "https://{host}/{path}/r4" }
[token]
url = "https://{host}/{path}/token"
[sites.sandbox]
name = "Sandbox"
variables = { host = "sandbox.acme.example" }
offered = false
"""
MGH = {"ACME_SITES": "mgh", "ACME_MGH_HOST": "mgh.example"}


def read(folder: Path, text: str = HOSPITALS, **variables: str) -> Provider:
    (folder / "acme.toml").write_text(text, "utf-8")
    return read_catalogue(folder, variables=variables)["acme"]


def problems(folder: Path, text: str = HOSPITALS, **variables: str) -> tuple[str, ...]:
    with pytest.raises(CatalogueError) as found:
        read(folder, text, **variables)
    return found.value.problems


def offered(entry: Provider) -> dict[str, str]:
    """The names of the sites that are offered."""
    return {id_: site.name for id_, site in entry.sites.items() if site.offered}


def test_sites_that_the_operator_names(tmp_path: Path) -> None:
    entry = read(tmp_path, **MGH | {"ACME_SITES": "mgh, u-1", "ACME_U_1_HOST": "u.example", "ACME_U_1_PATH": "a/b"})
    assert offered(entry) == {"mgh": "mgh", "u-1": "u-1"}
    assert {id_: at.token.url for id_, at in entry.at_sites.items()} == {
        "sandbox": "https://sandbox.acme.example/fhir/token",
        "mgh": "https://mgh.example/fhir/token",
        "u-1": "https://u.example/a/b/token",
    }
    assert entry.at_sites["mgh"].authorize.params == {"aud": "https://mgh.example/fhir/r4"}
    assert entry.at_sites["mgh"].key == "acme/mgh"


def test_their_names_for_users(tmp_path: Path) -> None:
    assert offered(read(tmp_path, **MGH, ACME_MGH_NAME="Mass General")) == {"mgh": "Mass General"}
    assert problems(tmp_path, **MGH, ACME_MGH_NAME="x" * 101) == ("ACME_MGH_NAME: must have 100 characters at most",)


def test_without_any_none_is_offered(tmp_path: Path) -> None:
    entry = read(tmp_path)
    assert (offered(entry), list(entry.at_sites), entry.has_sites) == ({}, ["sandbox"], True)
    entry = read(tmp_path, HOSPITALS.partition("[sites")[0])
    assert (offered(entry), list(entry.at_sites), entry.has_sites) == ({}, [], True)
    # No request can go anywhere by the entry itself.
    assert entry.token.url == "https://host.invalid/fhir/token"


def test_sites_of_the_entry_are_named_in_the_same_setting(tmp_path: Path) -> None:
    entry = read(tmp_path, **MGH | {"ACME_SITES": "mgh,sandbox"})
    assert offered(entry) == {"sandbox": "Sandbox", "mgh": "mgh"}


def test_a_value_that_is_missing(tmp_path: Path) -> None:
    assert problems(tmp_path, ACME_SITES="mgh,ucsf", ACME_MGH_HOST="mgh.example", ACME_UCSF_HOST="") == (
        "ACME_UCSF_HOST: must be set, because ACME_SITES names the site ucsf",
    )
    # One for all sites is enough.
    entry = read(tmp_path, ACME_SITES="mgh", ACME_HOST="all.example")
    assert entry.at_sites["mgh"].token.url == "https://all.example/fhir/token"
    assert entry.site_variables == ("host",)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("10.0.0.7", "can't be used for the site mgh: token.url must not be a private address"),
        ("localhost", "can't be used for the site mgh: token.url must not be a private address"),
        ("a b", "can't be used for the site mgh: token.url must be an http or https URL without a user name"),
        ("user@mgh.example", "can't be used for the site mgh: token.url must be an http or https URL without"),
        ("mgh.example/#", "can't be used for the site mgh: token.url must not have a fragment"),
        ("https://mgh.example", "must not be a whole URL: the entry has `https://` and the path itself"),
    ],
)
def test_a_value_that_makes_no_valid_url(tmp_path: Path, value: str, problem: str) -> None:
    """The value is not repeated, and the variable is named, not the file."""
    found = problems(tmp_path, **MGH | {"ACME_MGH_HOST": value})
    assert any(line.startswith(f"ACME_MGH_HOST: {problem}") for line in found), found
    assert not any(value in line for line in found)


def test_a_variable_that_is_a_whole_url(tmp_path: Path) -> None:
    text = HOSPITALS.replace("https://{host}/{path}", "{host}").replace("sandbox.acme", "https://sandbox.acme")
    entry = read(tmp_path, text, ACME_SITES="mgh", ACME_MGH_HOST="https://mgh.example/r4")
    assert entry.at_sites["mgh"].token.url == "https://mgh.example/r4/token"
    assert entry.token.url == "https://host.invalid/token"
    assert problems(tmp_path, text, ACME_SITES="mgh", ACME_MGH_HOST="http://mgh.example") == tuple(
        f"ACME_MGH_HOST: can't be used for the site mgh: {table}.url must be https" for table in ("authorize", "token")
    )


@pytest.mark.parametrize(("chosen", "numbers"), [("MGH", [1]), ("mgh,", [2]), ("a b,mgh", [1])])
def test_an_id_that_is_none(tmp_path: Path, chosen: str, numbers: list[int]) -> None:
    assert problems(tmp_path, **MGH | {"ACME_SITES": chosen}) == tuple(
        f"ACME_SITES: number {number} must be 1 to 63 lower-case letters, digits, `_` and `-`" for number in numbers
    )


def test_ids_that_are_alike(tmp_path: Path) -> None:
    found = problems(tmp_path, ACME_SITES="a-b,a_b", ACME_A_B_HOST="mgh.example")
    assert "acme.toml: ACME_A_B_CLIENT_ID in the environment would mean two things: choose other names" in found


def test_other_entries_have_their_own_sites_only(tmp_path: Path) -> None:
    text = HOSPITALS.replace("open_sites = true\n", "").replace('host = ""', 'host = "acme.example"')
    (problem,) = problems(tmp_path, text, **MGH)
    assert problem.startswith("ACME_SITES: number 1 is not a site of Acme Records")
    assert not read(tmp_path, minimal("acme")).has_sites


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('host = ""', 'host = "x.example"', "open_sites: needs a variable whose default is empty"),
        ('variables = { host = "sandbox.acme.example" }', "", "sites.sandbox.variables: must have host"),
        ("open_sites = true", "open_sites = 1", "open_sites: must be"),
    ],
)
def test_what_an_entry_needs_for_it(tmp_path: Path, old: str, new: str, problem: str) -> None:
    found = problems(tmp_path, HOSPITALS.replace(old, new))
    assert any(line.startswith(f"acme.toml: {problem}") for line in found), found


def test_the_environment_variables(tmp_path: Path) -> None:
    assert environment_names(read(tmp_path, HOSPITALS.partition("[sites")[0], **MGH)) == [
        "ACME_SITES",
        *(f"ACME_{place}CLIENT_{kind}" for place in ("", "MGH_") for kind in ("ID", "SECRET")),
    ]


def test_the_sites_of_a_file() -> None:
    """As the sandbox needs them, which reads entries itself."""
    assert sites_of_file(HOSPITALS, MGH | {"ACME_MGH_NAME": "Mass General"}) == {
        "mgh": {"name": "Mass General", "variables": {"host": "mgh.example"}}
    }
    assert sites_of_file(minimal("acme"), MGH) == {}
