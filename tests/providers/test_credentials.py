"""Which environment variables hold a provider's credentials, and which are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.catalogue import read_entry
from providers.client_keys import new_key
from providers.credentials import Credentials, environment_name, missing_variables, read_credentials
from providers.entry.provider import Provider
from tests.providers.entries import WITH_SITES, provider

SECRET_NEEDED = [provider(), provider(token="auth = 'client_secret_post'")]
PUBLIC = provider(token="auth = 'none'")
ID, KEY = "ACME_CLIENT_ID", "ACME_CLIENT_SECRET"


@pytest.mark.parametrize(
    ("slug", "name", "variable"),
    [("oura", "client_id", "OURA_CLIENT_ID"), ("acme-ring", "region", "ACME_RING_REGION"), ("a_b-c", "x", "A_B_C_X")],
)
def test_the_name_of_a_variable(slug: str, name: str, variable: str) -> None:
    assert environment_name(slug, name) == variable


@pytest.mark.parametrize("entry", SECRET_NEEDED)
@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, [ID, KEY]),
        ({ID: "", KEY: ""}, [ID, KEY]),
        ({ID: "id"}, [KEY]),
        ({KEY: "key"}, [ID]),
        ({ID: "id", KEY: ""}, [KEY]),
        ({ID: "id", KEY: "key"}, []),
    ],
)
def test_a_client_with_a_secret_needs_both(entry: Provider, environment: dict[str, str], missing: list[str]) -> None:
    assert missing_variables(entry, environment) == missing
    assert read_credentials(entry, environment) == (None if missing else Credentials("id", "key"))


@pytest.mark.parametrize(
    ("environment", "credentials"),
    [
        ({}, None),
        ({KEY: "key"}, None),
        ({ID: "id"}, Credentials("id", None)),
        ({ID: "id", KEY: ""}, Credentials("id", None)),
        ({ID: "id", KEY: "key"}, Credentials("id", "key")),
    ],
)
def test_a_public_client_needs_its_id_only(environment: dict[str, str], credentials: Credentials | None) -> None:
    assert missing_variables(PUBLIC, environment) == ([] if credentials else [ID])
    assert read_credentials(PUBLIC, environment) == credentials


@pytest.mark.parametrize("auth", ["client_secret_basic", "none"])
def test_further_secrets_are_needed_too(auth: str) -> None:
    entry = provider(token=f"auth = '{auth}'", tables="[registration]\nsecrets = ['api_key', 'other']")
    environment = {ID: "id", KEY: "key", "ACME_OTHER": "b"}
    assert missing_variables(entry, environment) == ["ACME_API_KEY"]
    assert read_credentials(entry, environment) is None
    found = read_credentials(entry, environment | {"ACME_API_KEY": "a"})
    assert found == Credentials("id", "key", {"api_key": "a", "other": "b"})


def test_secrets_are_not_shown() -> None:
    assert repr(Credentials("id", "CANARY", {"key": "CANARY"})) == "Credentials(client_id='id')"


def test_header_fields_are_filled_in() -> None:
    known = Credentials("id", None, {"key": "k", "access_token": "no"})
    headers = {"A": "{client_id} {key} {key}", "B": "b", "C": "{access_token}"}
    assert known.fill(headers, access_token="{key}") == (("A", "id k k"), ("B", "b"), ("C", "{key}"))
    assert known.fill({}) == ()


def at_sites(tmp_path: Path) -> dict[str, Provider]:
    secrets = '[registration]\nsecrets = ["key"]\n[authorize]'
    (tmp_path / "acme.toml").write_text(WITH_SITES.replace("[authorize]", secrets), "utf-8")
    entry = read_entry(tmp_path / "acme.toml", variables={})
    return {one.site: one for one in entry.everywhere}


def test_a_site_has_the_credentials_of_its_provider_or_its_own(tmp_path: Path) -> None:
    """Id and secret go together; further secrets are each on their own."""
    places = at_sites(tmp_path)
    shared = {ID: "id", KEY: "key", "ACME_KEY": "k"}
    own = {"ACME_EU_CLIENT_ID": "eu-id", "ACME_EU_CLIENT_SECRET": "eu-key"}
    for environment, expected in (
        (shared, Credentials("id", "key", {"key": "k"})),
        (shared | own, Credentials("eu-id", "eu-key", {"key": "k"})),
        (shared | {"ACME_EU_KEY": "eu-k"}, Credentials("id", "key", {"key": "eu-k"})),
        (own | {"ACME_EU_KEY": "eu-k"}, Credentials("eu-id", "eu-key", {"key": "eu-k"})),
        (own, None),
        (shared | own | {"ACME_EU_CLIENT_SECRET": ""}, None),
        ({ID: "id", KEY: "", "ACME_KEY": "k", "ACME_EU_CLIENT_SECRET": "x"}, None),
    ):
        assert read_credentials(places["eu"], environment) == expected
    assert read_credentials(places["us"], shared | own) == Credentials("id", "key", {"key": "k"})
    assert read_credentials(places[""], own) is None


def test_what_a_site_lacks(tmp_path: Path) -> None:
    eu = at_sites(tmp_path)["eu"]
    assert missing_variables(eu, {}) == [ID, KEY, "ACME_KEY"]
    assert missing_variables(eu, {ID: "id", KEY: "key", "ACME_EU_CLIENT_ID": "eu"}) == [
        "ACME_EU_CLIENT_SECRET",
        "ACME_KEY",
    ]


def test_a_client_that_signs_needs_its_id_and_the_first_key_that_fits() -> None:
    entry = provider(token="auth = 'private_key_jwt'\nalgorithm = 'ES384'")
    other, first, second = new_key("ES256"), new_key("ES384"), new_key("ES384")
    assert missing_variables(entry, {}) == [ID]
    assert read_credentials(entry, {ID: "id"}, (other, first, second)) == Credentials(
        "id", None, key=first, algorithm="ES384"
    )
    assert read_credentials(entry, {}, (first,)) is None
    assert read_credentials(entry, {ID: "id"}, (other,)) is None
    assert read_credentials(entry, {ID: "id"}) is None


def test_keys_are_only_for_providers_that_require_a_signature() -> None:
    assert read_credentials(PUBLIC, {ID: "id"}, (new_key("ES384"),)) == Credentials("id", None)
