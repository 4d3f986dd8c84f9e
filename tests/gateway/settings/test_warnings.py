"""Warnings at every start: settings that have no effect, or a risky one."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.settings.reading import settings_of
from gateway.settings.warnings import catalogue_warnings, settings_warnings, unknown_settings
from providers.catalogue import read_catalogue
from tests.conftest import start_gateway
from tests.processes import tendon
from tests.providers.entries import WITH_SITES, minimal, provider

DEV = {"auth": "dev"}
INTROSPECTION = {
    "auth": "introspection",
    "introspection_url": "https://login.example/introspect",
    "introspection_client_id": "tendon",
    "introspection_client_secret": "CANARY",
}
JWT = {
    "auth": "jwt",
    "jwks_url": "https://login.example/jwks",
    "issuer": "https://login.example",
    "audience": "https://tendon.example",
}


def warned(settings: dict[str, str], environment: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    found = [
        (each.event, each.about, each.reason)
        for each in settings_warnings(settings_of(Settings, settings), environment or {})
    ]
    assert "CANARY" not in str(found)
    return found


@pytest.mark.parametrize("settings", [DEV, INTROSPECTION, JWT, INTROSPECTION | JWT | {"auth": "introspection+jwt"}])
def test_nothing_to_say(settings: dict[str, str]) -> None:
    environment = {f"TENDON_{name.upper()}": value for name, value in settings.items()}
    others = {
        "PATH": "/bin",
        "TERM_PROGRAM": "x",
        "AZURE_CLIENT_ID": "x",
        "AZURE_CLIENT_SECRET": "x",
        "HTTP_CLIENT": "x",
    }
    ours = {"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "y", "SANDBOX_CLIENT_ID": "x", "SANDBOX_ORIGIN": "x"}
    assert warned(settings, environment | others | ours) == []


UNUSED = "setting.unused"
UNKNOWN = "setting.unknown"
NO_CONNECT_PAGE = (
    "connect.page.unusable",
    "TENDON_CONNECT_PAGE",
    "nobody can connect on this page: add its address to TENDON_REDIRECT_URIS, such as https://tendon.example/connect",
)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (
            INTROSPECTION | {"allow_private_providers": "1"},
            (
                "private.providers",
                "TENDON_ALLOW_PRIVATE_PROVIDERS",
                "allows catalogue URLs with http, or into your own network: remove it outside dev",
            ),
        ),
        (
            INTROSPECTION
            | {"redirect_uris": "https://app.example/a http://app.example/b http://[::1]:*/c HTTP://10.0.0.1:80/d"},
            (
                "plain.http",
                "TENDON_REDIRECT_URIS",
                "plain http to another machine, so codes can be read in transit (entry 2, entry 4): write https",
            ),
        ),
        (
            INTROSPECTION | {"explore": "1"},
            (
                "explore.open",
                "TENDON_EXPLORE",
                "makes GraphiQL and introspection available to anyone who can reach this service: "
                "remove it unless this is intended",
            ),
        ),
        (INTROSPECTION | {"connect_page": "1"}, NO_CONNECT_PAGE),
        (
            INTROSPECTION | {"connect_page": "1", "redirect_uris": "https://tendon.example/connect/done"},
            NO_CONNECT_PAGE,
        ),
        (
            INTROSPECTION | {"jwks_url": "https://login.example/jwks"},
            (UNUSED, "TENDON_JWKS_URL", "TENDON_AUTH=introspection does not use it"),
        ),
        (
            JWT | {"introspection_client_secret": "CANARY"},
            (UNUSED, "TENDON_INTROSPECTION_CLIENT_SECRET", "TENDON_AUTH=jwt does not use it"),
        ),
        (DEV | {"audience": "x"}, (UNUSED, "TENDON_AUDIENCE", "TENDON_AUTH=dev does not use it")),
        (
            INTROSPECTION | {"services": "reporting=read:wearables"},
            (
                UNUSED,
                "TENDON_SERVICES",
                "TENDON_AUTH=introspection refuses the tokens of services: write introspection+jwt",
            ),
        ),
        (
            DEV | {"services": "reporting=read:wearables"},
            (UNUSED, "TENDON_SERVICES", "TENDON_AUTH=dev uses dev-service:NAME instead"),
        ),
        (DEV | {"database_pool": "5"}, (UNUSED, "TENDON_DATABASE_POOL", "SQLite does not use it")),
    ],
)
def test_what_a_setting_does_or_does_not(settings: dict[str, str], found: tuple[str, str, str]) -> None:
    assert warned(settings) == [found]


def test_what_is_used() -> None:
    on_this_machine = "http://localhost:*/a http://127.0.0.1:3000/b http://app.localhost/c app.example:/d"
    assert warned(INTROSPECTION | {"redirect_uris": on_this_machine}) == []
    assert warned(DEV | {"redirect_uris": "http://app.example/cb"}) == []
    page = {"connect_page": "1", "redirect_uris": "https://app.example/cb https://tendon.example/connect"}
    assert warned(INTROSPECTION | page) == []
    assert warned(DEV | {"explore": "1", "connect_page": "1"}) == []
    assert warned(INTROSPECTION | {"audience": "https://tendon.example"}) == []
    assert warned(JWT | {"services": "reporting=read:wearables"}) == []
    assert warned(DEV | {"allow_private_providers": "1"}) == []
    assert warned(DEV | {"database_pool": "5", "database_url": "postgres://tendon@localhost/tendon"}) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("TENDON_REDIRECT_URI", "is not a setting and is ignored: did you mean TENDON_REDIRECT_URIS?"),
        ("TENDON_VAULT_KEY", "is not a setting and is ignored: did you mean TENDON_VAULT_KEYS?"),
        ("TENDON_JWKS_URI", "is not a setting and is ignored: did you mean TENDON_JWKS_URL?"),
        ("TENDON_DATABSE_URL", "is not a setting and is ignored: did you mean TENDON_DATABASE_URL?"),
        ("TENDON_LOGLEVEL", "is not a setting and is ignored: did you mean TENDON_LOG_LEVEL?"),
        ("tendon_auth", "is not a setting and is ignored: did you mean TENDON_AUTH?"),
        ("TENDON_METRICS", "is not a setting and is ignored"),
        ("TENDON_DRAIN", "is not a setting and is ignored"),
        ("TENDON_CORS_ORIGINS", "is not a setting and is ignored"),
        ("TENDON_WORKERS", "is not a setting and is ignored: did you mean TENDON_WORKER?"),
        ("TENDON_SERVICE", "is not a setting and is ignored: did you mean TENDON_SERVICES?"),
        ("TENDON_AUHT", "is not a setting and is ignored: did you mean TENDON_AUTH?"),
        ("TENDON_XYZZY_PLUGH_QUUX_WALDO", "is not a setting and is ignored"),
        (
            "TENDON_INTROSPECTIO_CLIENT_ID",
            "is not a setting and is ignored: did you mean TENDON_INTROSPECTION_CLIENT_ID?",
        ),
        ("TENDON_OURA_CLIENT_ID", "is not a setting and is ignored: did you mean OURA_CLIENT_ID?"),
        ("TENDEN_VAULT_KEYS", "is not a setting and is ignored: did you mean TENDON_VAULT_KEYS?"),
        ("TENDOM_AUDIENCE", "is not a setting and is ignored: did you mean TENDON_AUDIENCE?"),
    ],
)
def test_a_setting_that_there_is_not(name: str, reason: str) -> None:
    assert warned(DEV, {name: "CANARY"}) == [(UNKNOWN, name, reason)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OURRA_CLIENT_ID", "OURA_CLIENT_ID"),
        ("OURA_CLIENTID", "OURA_CLIENT_ID"),
        ("WITHING_CLIENT_SECRET", "WITHINGS_CLIENT_SECRET"),
        ("STRAVA_CLIENT_SECERT", "STRAVA_CLIENT_SECRET"),
        ("oura_client_id", "OURA_CLIENT_ID"),
        ("ACME_RING_CLIENTID", "ACME_RING_CLIENT_ID"),
    ],
)
def test_credentials_of_a_provider_that_there_is_not(tmp_path: Path, name: str, meant: str) -> None:
    (tmp_path / "acme-ring.toml").touch()
    reason = f"no provider of the catalogue has this name: did you mean {meant}?"
    assert warned(DEV | {"catalogue": str(tmp_path)}, {name: "CANARY"}) == [("credentials.unknown", name, reason)]


def test_credentials_in_our_own_file_are_meant_for_us(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ACME_CLIENT_ID=x\nPOSTGRES_PASSWORD=x\n", encoding="utf-8")
    environment = {"ACME_CLIENT_ID": "x", "POSTGRES_PASSWORD": "x", "AZURE_CLIENT_ID": "x"}
    assert warned(DEV, environment) == [
        ("credentials.unknown", "ACME_CLIENT_ID", "no provider of the catalogue has this name")
    ]


def test_without_a_catalogue_only_ours_is_known() -> None:
    environment = {"TENDON_OURA_CLIENT_ID": "x", "OURA_CLIENT_ID": "x", "ACME_CLIENT_ID": "x"}
    assert [each.about for each in unknown_settings(None, environment)] == ["TENDON_OURA_CLIENT_ID"]


def test_quotation_marks_around_a_secret() -> None:
    assert warned(DEV, {"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "'CANARY'"}) == [
        ("setting.quoted", "OURA_CLIENT_SECRET", "the quotation marks around it count as part of the secret")
    ]
    assert warned(INTROSPECTION, {"TENDON_INTROSPECTION_CLIENT_SECRET": '"CANARY"'}) == [
        (
            "setting.quoted",
            "TENDON_INTROSPECTION_CLIENT_SECRET",
            "the quotation marks around it count as part of the secret",
        )
    ]


def test_further_secrets_are_known() -> None:
    entry = provider(tables="[registration]\nsecrets = ['app_client_secret_2', 'key']")
    environment = {"ACME_APP_CLIENT_SECRET_2": "x", "ACME_APP_CLIENT_SECRET_3": "x", "ACME_KEY": "'CANARY'"}
    found = settings_warnings(settings_of(Settings, DEV), environment, {"acme": entry})
    assert [(each.event, each.about) for each in found] == [
        ("credentials.unknown", "ACME_APP_CLIENT_SECRET_3"),
        ("setting.quoted", "ACME_KEY"),
    ]
    prefixed = unknown_settings(None, {"TENDON_ACME_KEY": "x"}, {"acme": entry})
    assert [each.reason for each in prefixed] == ["is not a setting and is ignored: did you mean ACME_KEY?"]


def test_the_variables_of_sites_are_known(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(WITH_SITES, encoding="utf-8")
    (tmp_path / "other.toml").write_text(minimal("other"), encoding="utf-8")
    settings = settings_of(Settings, DEV | {"catalogue": str(tmp_path)})
    catalogue = read_catalogue(tmp_path, variables={})
    environment = {
        "ACME_SITES": "us",
        "ACME_EU_CLIENT_ID": "x",
        "ACME_EU_CLIENT_SECRET": "'CANARY'",
        "ACME_EU_HOST": "eu2.acme.example",
        "ACME_SITE": "us",
        "ACME_LAP_CLIENT_SECRET": "x",
        "OTHER_SITES": "us",
        "ALLOWED_SITES": "us",
    }
    found = settings_warnings(settings, environment, catalogue)
    assert [(each.event, each.about, each.reason) for each in found] == [
        ("setting.unused", "OTHER_SITES", "Acme Ring has no sites"),
        ("setting.quoted", "ACME_EU_CLIENT_SECRET", "the quotation marks around it count as part of the secret"),
        (
            "credentials.unknown",
            "ACME_LAP_CLIENT_SECRET",
            "no provider of the catalogue has this name: did you mean ACME_LAB_CLIENT_SECRET?",
        ),
        (
            "credentials.unknown",
            "ACME_SITE",
            "no provider of the catalogue has this name: did you mean ACME_SITES?",
        ),
    ]


def test_the_variables_of_sites_that_are_not_named(tmp_path: Path) -> None:
    text = f"open_sites = true\n{minimal('acme')}[variables]\nhost = ''\npath = 'fhir'\n"
    (tmp_path / "acme.toml").write_text(text, encoding="utf-8")
    settings = settings_of(Settings, DEV | {"catalogue": str(tmp_path)})
    names = ["ACME_HOST", "ACME_MGH_HOST", "ACME_MGH_PATH", "ACME_MGH_NAME", "ACME_UCSF_HOST", "ACME_UCSF_PATH"]
    environment = dict.fromkeys(names, "acme.example") | {"ACME_SITES": "mgh", "OTHER_UCSF_HOST": "x"}
    catalogue = read_catalogue(tmp_path, variables=environment)
    found = settings_warnings(settings, environment, catalogue)
    assert [(each.event, each.about, each.reason) for each in found] == [
        ("setting.unused", "ACME_UCSF_HOST", "ACME_SITES doesn't name this site")
    ]


def test_a_folder_without_a_catalogue(tmp_path: Path) -> None:
    (tmp_path / "acme.tml").touch()
    found = catalogue_warnings(settings_of(Settings, DEV | {"catalogue": str(tmp_path)}), {})
    assert [(each.event, each.about, each.reason) for each in found] == [
        ("catalogue.file.ignored", "acme.tml", "is not read: an entry is a TOML file: rename it to acme.toml"),
        ("catalogue.empty", "TENDON_CATALOGUE", "the folder holds no file named <slug>.toml"),
    ]


def test_all_of_it_is_in_the_log_and_beside_the_table_of_providers(tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "acme.toml.bak").touch()
    settings = {
        "TENDON_AUTH": "introspection",
        "TENDON_VAULT_KEYS": f"k1:{base64.b64encode(hashlib.sha256(b'k1').digest()).decode()}",
        "TENDON_INTROSPECTION_URL": "https://login.example/introspect",
        "TENDON_INTROSPECTION_CLIENT_ID": "tendon",
        "TENDON_INTROSPECTION_CLIENT_SECRET": "secret",
        "TENDON_CATALOGUE": str(folder),
        "TENDON_ALLOW_PRIVATE_PROVIDERS": "1",
        "TENDON_REDIRECT_URI": "https://app.example/cb",
        "OURRA_CLIENT_ID": "x",
    }
    gateway = start_gateway(tmp_path, settings)
    assert gateway.stop() == 0
    events = [json.loads(line) for line in gateway.said.splitlines()]
    told = {event["name"]: event["event"] for event in events if event["level"] == "warning" and "name" in event}
    assert told == {
        "TENDON_ALLOW_PRIVATE_PROVIDERS": "private.providers",
        "TENDON_REDIRECT_URI": "setting.unknown",
        "acme.toml.bak": "catalogue.file.ignored",
        "TENDON_CATALOGUE": "catalogue.empty",
        "OURRA_CLIENT_ID": "credentials.unknown",
    }
    reasons = {event["event"]: event.get("reason") for event in events}
    assert reasons["nothing.to.redirect.to"] == "TENDON_REDIRECT_URIS is empty, so nobody can connect"
    assert reasons["no.providers"].startswith(
        "no provider has credentials, so nobody can connect: set <SLUG>_CLIENT_ID "
    )
    listed = tendon("providers", cwd=tmp_path, settings=settings)
    assert listed.returncode == 0
    assert listed.stderr.splitlines() == [
        "TENDON_REDIRECT_URI: is not a setting and is ignored: did you mean TENDON_REDIRECT_URIS?",
        "acme.toml.bak: is not read: the name of an entry ends in .toml: rename it to acme.toml, or move it elsewhere",
        "TENDON_CATALOGUE: the folder holds no file named <slug>.toml",
        "OURRA_CLIENT_ID: no provider of the catalogue has this name: did you mean OURA_CLIENT_ID?",
    ]
