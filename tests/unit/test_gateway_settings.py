"""Settings: each that is wrong gets one line with its name, and never its value."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.keys import open_vault
from gateway.settings import Settings, SettingsError, read_environment, read_settings
from tests.processes import environment, tendon

KEY = f"main:{base64.b64encode(bytes(range(32))).decode()}"
DEV = {"AUTH": "dev"}
PRODUCTION = {"AUTH": "introspection", "VAULT_KEYS": KEY, "REDIRECT_URIS": "https://app.example/cb"}
INTROSPECTION = {
    "INTROSPECTION_URL": "https://login.example/introspect",
    "INTROSPECTION_CLIENT_ID": "tendon",
    "INTROSPECTION_CLIENT_SECRET": "CANARY",
}
JWT = {"JWKS_URL": "https://login.example/jwks", "ISSUER": "https://login.example", "AUDIENCE": "tendon"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of a developer, no `.env`, and whatever is made is made in a scratch folder."""
    monkeypatch.chdir(tmp_path)
    for name in read_environment().keys() - environment().keys():
        monkeypatch.delenv(name)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    return Read(monkeypatch)


class Read:
    """Reads the settings as the command does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, settings: dict[str, str]) -> Settings:
        for name, value in settings.items():
            self._monkeypatch.setenv(f"TENDON_{name}", value)
        return read_settings()

    def lines(self, settings: dict[str, str]) -> list[str]:
        with pytest.raises(SettingsError) as raised:
            self(settings)
        assert "CANARY" not in str(raised.value)
        return str(raised.value).splitlines()

    def starting(self, settings: dict[str, str]) -> str:
        """What is said when the service is put together."""
        with pytest.raises(SettingsError) as raised:
            create_app(self(settings), read_environment(), "http://127.0.0.1:8000")
        assert "CANARY" not in str(raised.value)
        return str(raised.value)


def test_dev_needs_nothing_else(read: Read) -> None:
    settings = read(DEV)
    assert (settings.dev, settings.with_sandbox, settings.explorer, settings.private_providers) == (True,) * 4
    assert settings.database_url == "sqlite://.tendon/tendon.db"
    assert (settings.provider_timeout, settings.log_level, settings.redirect_uris) == (10, "INFO", "")
    create_app(settings, read_environment(), "http://127.0.0.1:8000")


@pytest.mark.parametrize("auth", ["introspection", "jwt", "introspection+jwt"])
def test_production_is_closed(read: Read, auth: str) -> None:
    settings = read(PRODUCTION | INTROSPECTION | JWT | {"AUTH": auth})
    assert (settings.dev, settings.with_sandbox, settings.explorer, settings.private_providers) == (False,) * 4
    create_app(settings, read_environment(), "http://127.0.0.1:8000")


def test_switches_stand_as_they_are_set(read: Read) -> None:
    settings = read(DEV | {"SANDBOX": "0", "EXPLORE": "false", "ALLOW_PRIVATE_PROVIDERS": "0"})
    assert (settings.with_sandbox, settings.explorer, settings.private_providers) == (False,) * 3
    settings = read(PRODUCTION | {"EXPLORE": "1", "ALLOW_PRIVATE_PROVIDERS": "1"})
    assert (settings.explorer, settings.private_providers) == (True, True)


def test_auth_must_be_set(read: Read) -> None:
    for nothing in ({}, {"AUTH": ""}):
        assert read.lines(nothing) == ["TENDON_AUTH: must be set: dev, introspection, jwt or introspection+jwt"]


def test_what_is_empty_is_not_set(read: Read) -> None:
    unset = read(DEV)
    assert read(DEV | {name.upper(): "" for name in Settings.model_fields if name != "auth"}) == unset


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AUTH", "CANARY", "dev"),
        ("AUTH", "DEV", "dev"),
        ("DATABASE_URL", "CANARY", "must be sqlite://PATH or postgres://user@host/database"),
        ("DATABASE_URL", "sqlite://", "must be sqlite://PATH, with the path of a file"),
        (
            "DATABASE_URL",
            "postgres://tendon:CANARY@database.example",
            "must name user, host and database: postgres://user@host/database",
        ),
        ("DATABASE_POOL", "0", "must be from 1 to 1000 connections"),
        ("KEEP_ALIVE", "0", "must be from 1 to 3600 seconds"),
        ("DATABASE_TIMEOUT", "0.05", "must be from 0.1 to 60 seconds"),
        ("REDIRECT_URIS", "/CANARY", "entry 1 is not an absolute URI"),
        (
            "REDIRECT_URIS",
            "https://app.example/cb  https://user:CANARY@app.example/#",
            "entry 2 is not an absolute URI",
        ),
        ("REDIRECT_URIS", "http://CANARY:*/cb", "entry 1 is not an absolute URI"),
        ("CATALOGUE", "/CANARY/nowhere", "is not a folder"),
        ("VAULT_KEYS", "CANARY", "a vault key is `id:base64`"),
        ("VAULT_KEYS", "main:CANARY", "the vault key main"),
        ("VAULT_KEYS", "main:Q0FOQVJZ", "the vault key main has 6 bytes, not 32"),
        ("VAULT_KEYS", f"{KEY} {KEY}", "the vault key id main is listed twice"),
        ("VAULT_KEYS", " ", "no vault key"),
        ("PROVIDER_TIMEOUT", "CANARY", "number"),
        ("PROVIDER_TIMEOUT", "0", "must be more than 0 and at most 60 seconds"),
        ("PROVIDER_TIMEOUT", "-1", "must be more than 0 and at most 60 seconds"),
        ("PROVIDER_TIMEOUT", "60.1", "must be more than 0 and at most 60 seconds"),
        ("PROVIDER_TIMEOUT", "inf", "must be more than 0 and at most 60 seconds"),
        ("PROVIDER_TIMEOUT", "nan", "must be more than 0 and at most 60 seconds"),
        ("LOG_LEVEL", "CANARY", "DEBUG"),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("EXPLORE", "CANARY", "boolean"),
        ("SANDBOX", "CANARY", "boolean"),
        ("ALLOW_PRIVATE_PROVIDERS", "CANARY", "boolean"),
    ],
)
def test_a_wrong_setting(read: Read, name: str, value: str, said: str) -> None:
    (line,) = read.lines(DEV | {name: value})
    assert line.startswith(f"TENDON_{name}: ")
    assert said in line


def test_a_line_for_each(read: Read) -> None:
    wrong = {"AUTH": "CANARY", "DATABASE_URL": "CANARY", "VAULT_KEYS": "main:CANARY", "PROVIDER_TIMEOUT": "CANARY"}
    assert sorted(line.partition(":")[0] for line in read.lines(wrong)) == sorted(f"TENDON_{name}" for name in wrong)


@pytest.mark.parametrize("auth", ["introspection", "jwt", "introspection+jwt"])
def test_no_key_outside_dev(read: Read, auth: str, tmp_path: Path) -> None:
    told = read.starting(INTROSPECTION | JWT | {"AUTH": auth})
    assert told == "TENDON_VAULT_KEYS: must be set: `id:base64 of 32 bytes`, separated by spaces"
    assert list(tmp_path.iterdir()) == []


def test_a_short_key_outside_dev(read: Read) -> None:
    assert read.lines(PRODUCTION | {"VAULT_KEYS": "main:Q0FOQVJZ"}) == [
        "TENDON_VAULT_KEYS: the vault key main has 6 bytes, not 32"
    ]


def test_no_sandbox_outside_dev(read: Read) -> None:
    (line,) = read.lines(PRODUCTION | INTROSPECTION | {"SANDBOX": "1"})
    assert line == "TENDON_SANDBOX: the sandbox runs with TENDON_AUTH=dev only"


@pytest.mark.parametrize("missing", INTROSPECTION)
def test_what_introspection_needs(read: Read, missing: str) -> None:
    given = {name: value for name, value in INTROSPECTION.items() if name != missing}
    for auth in ("introspection", "introspection+jwt"):
        assert f"TENDON_{missing}" in read.starting(PRODUCTION | given | JWT | {"AUTH": auth, missing: ""})


@pytest.mark.parametrize("missing", JWT)
def test_what_jwt_needs(read: Read, missing: str) -> None:
    given = {name: value for name, value in JWT.items() if name != missing}
    for auth in ("jwt", "introspection+jwt"):
        assert f"TENDON_{missing}" in read.starting(PRODUCTION | given | INTROSPECTION | {"AUTH": auth, missing: ""})


@pytest.mark.parametrize("name", ["INTROSPECTION_URL", "JWKS_URL"])
@pytest.mark.parametrize("value", ["CANARY", "https://user:CANARY@login.example/", "ftp://CANARY/", "https://CANARY/#"])
def test_a_url_that_is_none(read: Read, name: str, value: str) -> None:
    (line,) = read.lines(PRODUCTION | INTROSPECTION | JWT | {"AUTH": "introspection+jwt", name: value})
    assert line == f"TENDON_{name}: must be an http or https URL without a user name or fragment"


@pytest.mark.parametrize("value", ["CANARY", "CANARY=", "CANARY=everything", "a=read:audit a=read:tokens"])
def test_services_that_are_none(read: Read, value: str) -> None:
    (line,) = read.lines(DEV | {"SERVICES": value})
    assert line.startswith("TENDON_SERVICES: entry ")


def test_the_environment_goes_before_the_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TENDON_AUTH=jwt\nTENDON_PROVIDER_TIMEOUT=7\nOURA_CLIENT_SECRET=a${HOME}b\nEMPTY\n")
    settings = read(DEV)
    assert (settings.auth, settings.provider_timeout) == ("dev", 7)
    assert read_environment()["TENDON_AUTH"] == "dev"
    assert read_environment()["OURA_CLIENT_SECRET"] == "a${HOME}b"
    assert "EMPTY" not in read_environment()


def test_secrets_do_not_print_themselves(read: Read) -> None:
    settings = read(PRODUCTION | INTROSPECTION | {"DATABASE_URL": "postgres://tendon:CANARY@database.example/tendon"})
    assert "CANARY" not in f"{settings!r} {settings}"
    assert KEY.partition(":")[2] not in f"{settings!r} {settings}"


def test_a_command_that_can_not_start_says_why(tmp_path: Path) -> None:
    wrong = {
        "TENDON_AUTH": "dev",
        "TENDON_DATABASE_URL": "postgres://tendon:CANARY@database.example/",
        "TENDON_REDIRECT_URIS": "https://CANARY/#",
        "TENDON_VAULT_KEYS": "main:CANARY",
    }
    for command, lines in (
        ("migrate", ["TENDON_DATABASE_URL: must name user, host and database: postgres://user@host/database"]),
        (
            "serve",
            [
                "TENDON_DATABASE_URL: must name user, host and database: postgres://user@host/database",
                "TENDON_REDIRECT_URIS: entry 1 is not an absolute URI without a fragment",
                "TENDON_VAULT_KEYS: the vault key main is not base64",
            ],
        ),
    ):
        done = tendon(command, cwd=tmp_path, settings=wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == ["tendon can't start:", *lines]
    assert list(tmp_path.iterdir()) == []


def test_the_keys_of_dev_are_made_once(read: Read, tmp_path: Path) -> None:
    """And are nobody else's to read."""
    settings, keys = read(DEV), tmp_path / ".tendon" / "vault.keys"
    sealed = open_vault(settings).seal("secret", table="t", row=(), column="c")
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert open_vault(settings).open(sealed, table="t", row=(), column="c") == "secret"
    keys.write_text("CANARY")
    with pytest.raises(SettingsError, match=r"^\.tendon/vault\.keys: a vault key is `id:base64`") as raised:
        open_vault(settings)
    assert "CANARY" not in str(raised.value)
