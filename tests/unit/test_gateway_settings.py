"""Settings: each that is wrong gets one line with its name, and never its value."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Generator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.app import create_app
from gateway.settings import Settings, SettingsError, read_environment, read_settings
from gateway.settings.vault_keys import open_vault
from models.vault import make_key_command
from tests.processes import environment, tendon

KEY = f"main:{base64.b64encode(hashlib.sha256(b'main').digest()).decode()}"
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
    settings = read(PRODUCTION | INTROSPECTION | {"EXPLORE": "1", "ALLOW_PRIVATE_PROVIDERS": "1"})
    assert (settings.explorer, settings.private_providers) == (True, True)


def test_auth_must_be_set(read: Read) -> None:
    for nothing in ({}, {"AUTH": ""}):
        assert read.lines(nothing) == ["TENDON_AUTH: must be set: dev, introspection, jwt or introspection+jwt"]


def test_what_is_empty_is_not_set(read: Read) -> None:
    unset = read(DEV)
    assert read(DEV | {name.upper(): "" for name in Settings.model_fields if name != "auth"}) == unset


KEY_FORM = "Write `id:base64 of 32 random bytes`, several separated by spaces; README.md has a command that makes one"
WAYS = "must be dev, introspection, jwt or introspection+jwt"
URL = "must be an http or https URL without a user name or fragment, such as https://login.example/path"
SPACE = "begins or ends with white space: remove it"
BREAK = "begins or ends with a line break: remove it"
CONTROL = "contains a line break or another control character: remove it"
QUOTED = "is in quotation marks, which are part of the value here: remove them"
SCOPES = "read:wearables, write:wearables, issue:sessions, read:audit, read:tokens, write:erasure"
ENTRY = "write client_id=scope,scope and separate clients with spaces"
FOLDER = "is not a folder: name the one that holds your catalogue files, or remove the setting"

# What is wrong with a setting by itself, and the full line that reports it.
REFUSED = [
    ("AUTH", "CANARY", WAYS),
    ("AUTH", "DEV", WAYS),
    ("AUTH", "jwt+introspection", WAYS),
    ("AUTH", "dev\n", BREAK),
    ("AUTH", '"dev"', QUOTED),
    ("DATABASE_URL", "CANARY", "must be sqlite://PATH or postgres://user@host/database"),
    ("DATABASE_URL", "sqlite://", "must be sqlite://PATH, with the path of a file"),
    ("DATABASE_URL", "sqlite://~/CANARY.db", "has a `~`, which is not expanded: write the full path"),
    (
        "DATABASE_URL",
        "sqlite://CANARY.db?mode=ro",
        "has a `?`, which would be part of the file's name: sqlite://PATH takes no options",
    ),
    (
        "DATABASE_URL",
        "postgres://tendon:CANARY@database.example",
        "must name user, host and database: postgres://user@host/database",
    ),
    ("DATABASE_POOL", "0", "must be from 1 to 1000 connections"),
    ("DATABASE_POOL", "CANARY", "must be a whole number, such as 10"),
    ("DATABASE_POOL", "2.5", "must be a whole number, such as 10"),
    ("DATABASE_POOL", " 10", SPACE),
    ("DATABASE_TIMEOUT", "0.05", "must be from 0.1 to 60 seconds"),
    ("DATABASE_TIMEOUT", "5s", "must be a number, such as 5"),
    (
        "REDIRECT_URIS",
        "https://app.example/CANARY,https://app.example/cb",
        "entry 1 holds a comma or semicolon between URIs: separate URIs with spaces (inside one, write %2C or %3B)",
    ),
    (
        "REDIRECT_URIS",
        "/CANARY https://app.example/cb\nhttp://CANARY:*/cb",
        "entry 1 is not an absolute URI: write it whole, as in https://app.example/callback\n"
        "entry 3 has a `*`, which stands for the port of a loopback address only, as in "
        "http://127.0.0.1:*/callback: list each URI exactly (inside one, write %2A)",
    ),
    ("REDIRECT_URIS", "'https://app.example/cb https://app.example/b'", QUOTED),
    ("CATALOGUE", "/CANARY/nowhere", FOLDER),
    ("CATALOGUE", "~/CANARY", "has a `~`, which is not expanded: write the full path"),
    (
        "VAULT_KEYS",
        "CANARY",
        f"a vault key is `id:base64`, the id of letters, digits, `_` and `-`. {KEY_FORM}",
    ),
    ("VAULT_KEYS", "main:CANARY", f"the vault key main is not base64. {KEY_FORM}"),
    (
        "VAULT_KEYS",
        f"k2:{base64.b64encode(b'CANARY, CANARY, CANARY and so on').decode()}",
        f"the vault key k2 is a pattern or text, not random bytes: make one with `{make_key_command('k2')}`",
    ),
    ("VAULT_KEYS", "main:Q0FOQVJZ", f"the vault key main has 6 bytes, not 32. {KEY_FORM}"),
    ("VAULT_KEYS", f"{KEY} {KEY}", f"the vault key id main is listed twice. {KEY_FORM}"),
    ("VAULT_KEYS", f"{KEY},two:CANARY", "has a comma or semicolon: separate keys with spaces"),
    ("VAULT_KEYS", f'"{KEY}"', QUOTED),
    ("VAULT_KEYS", " ", f"no vault key. {KEY_FORM}"),
    ("INTROSPECTION_URL", "CANARY", URL),
    ("INTROSPECTION_URL", "https://user:CANARY@login.example/", URL),
    ("INTROSPECTION_URL", "ftp://CANARY/", URL),
    ("INTROSPECTION_CLIENT_ID", "CANARY\n", BREAK),
    ("INTROSPECTION_CLIENT_ID", "'CANARY'", QUOTED),
    ("INTROSPECTION_CLIENT_SECRET", "CANARY\n", BREAK),
    ("INTROSPECTION_CLIENT_SECRET", "\tCANARY", SPACE),
    ("INTROSPECTION_CLIENT_SECRET", "CAN\nARY", CONTROL),
    ("JWKS_URL", "https://CANARY/#", URL),
    ("ISSUER", "https://CANARY.example/\udcff", "is not UTF-8: write it in UTF-8"),
    (
        "ISSUER",
        "https://CANARY.example https://b.example",
        "contains white space: write one value, as in the `iss` claim of tokens",
    ),
    ("AUDIENCE", "CANARY b", "contains white space: write one value, as in the `aud` claim of tokens"),
    ("SERVICES", "CANARY", f"entry 1 has no `=`: {ENTRY}"),
    (
        "SERVICES",
        "a=read:wearables, read:tokens",
        f"entry 1 has an empty scope: remove the extra comma\nentry 2 has no `=`: {ENTRY}",
    ),
    (
        "SERVICES",
        "CANARY a=read:token,,everything b=read:audit a=read:audit",
        f"entry 1 has no `=`: {ENTRY}\n"
        "entry 2 has an empty scope: remove the extra comma\n"
        f"entry 2, scope 1 is not a scope: did you mean read:tokens? The scopes are {SCOPES}\n"
        f"entry 2, scope 3 is not a scope: the scopes are {SCOPES}\n"
        "entry 4 names a client that an earlier entry names: give each client one entry",
    ),
    (
        "SERVICES",
        "a=read:wearables =read:tokens",
        f"entry 2 has no client id of 1 to 255 printable ASCII characters: {ENTRY}",
    ),
    ("SERVICES", "a=read:wearables,b=read:tokens", "entry 1 holds several clients: separate them with spaces"),
    ("SERVICES", "a=read:wearables;b=read:tokens", "entry 1 holds several clients: separate them with spaces"),
    ("SERVICES", "CANARY=", f"entry 1 has no scope: {ENTRY}; the scopes are {SCOPES}"),
    ("SERVICES", "a=read:tokens,read:tokens", "entry 1 has the scope read:tokens twice: write it once"),
    (
        "SERVICES",
        "a=read:tokens b=read:audit a=read:audit",
        "entry 3 names a client that an earlier entry names: give each client one entry",
    ),
    (
        "SERVICES",
        "CANARY=read:wearables,read:token",
        f"entry 1, scope 2 is not a scope: did you mean read:tokens? The scopes are {SCOPES}",
    ),
    ("SERVICES", "CANARY=everything", f"entry 1, scope 1 is not a scope: the scopes are {SCOPES}"),
    ("SERVICES", "CANARY=*", f"entry 1, scope 1 is not a scope: the scopes are {SCOPES}"),
    ("PROVIDER_TIMEOUT", "CANARY", "must be a number, such as 10"),
    ("PROVIDER_TIMEOUT", "0", "must be more than 0 and at most 60 seconds"),
    ("PROVIDER_TIMEOUT", "-1", "must be more than 0 and at most 60 seconds"),
    ("PROVIDER_TIMEOUT", "60.1", "must be more than 0 and at most 60 seconds"),
    ("PROVIDER_TIMEOUT", "inf", "must be more than 0 and at most 60 seconds"),
    ("PROVIDER_TIMEOUT", "nan", "must be more than 0 and at most 60 seconds"),
    ("CONCURRENCY", "1001", "must be from 1 to 1000 requests"),
    ("RATE_LIMIT", "100 a second", "must be off or a rate such as 100/second, 6000/minute or 100000/hour"),
    ("LOG_LEVEL", "CANARY", "must be DEBUG, INFO, WARNING or ERROR"),
    ("LOG_LEVEL", "warn", "must be DEBUG, INFO, WARNING or ERROR"),
    ("EXPLORE", "CANARY", "must be 1 or 0"),
    ("SANDBOX", "2", "must be 1 or 0"),
    ("CONNECT_PAGE", "CANARY", "must be 1 or 0"),
    ("KEEP_ALIVE", "0", "must be from 1 to 3600 seconds"),
    ("KEEP_ALIVE", "3601", "must be from 1 to 3600 seconds"),
    ("KEEP_ALIVE", "7.5", "must be a whole number, such as 75"),
    ("ALLOW_PRIVATE_PROVIDERS", "ture", "must be 1 or 0"),
]


@pytest.mark.parametrize(("name", "value", "problem"), REFUSED)
def test_a_wrong_setting(read: Read, name: str, value: str, problem: str) -> None:
    assert read.lines(DEV | {name: value}) == [f"TENDON_{name}: {line}" for line in problem.splitlines()]


def test_every_setting_can_be_wrong() -> None:
    """A setting without a row above has a message that was never reviewed."""
    assert {name for name, _, _ in REFUSED} == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("level", ["debug", "Debug", "DEBUG"])
def test_the_log_level_in_any_case(read: Read, level: str) -> None:
    assert read(DEV | {"LOG_LEVEL": level}).log_level == "DEBUG"


def test_lists_may_have_line_breaks(read: Read) -> None:
    """As in a YAML block."""
    settings = read(
        DEV
        | {
            "REDIRECT_URIS": "https://app.example/a\nhttps://app.example/b\n",
            "VAULT_KEYS": f"{KEY}\n",
            "SERVICES": "a=read:tokens\nb=read:audit\n",
        }
    )
    assert settings.redirect_uris.split() == ["https://app.example/a", "https://app.example/b"]
    assert settings.service_clients == {"a": {"read:tokens"}, "b": {"read:audit"}}


def test_a_client_id_may_have_an_equals_sign(read: Read) -> None:
    clients = read(DEV | {"SERVICES": "ab12==read:wearables,read:tokens a=b,c=read:audit"}).service_clients
    assert clients == {"ab12=": {"read:wearables", "read:tokens"}, "a=b,c": {"read:audit"}}
    assert read(DEV | {"SERVICES": ""}).service_clients == {}


NEEDED = {
    "INTROSPECTION_URL": "the RFC 7662 endpoint, such as https://login.example/oauth2/introspect",
    "INTROSPECTION_CLIENT_ID": "Tendon's own client id at the authorization server",
    "INTROSPECTION_CLIENT_SECRET": "the secret that goes with TENDON_INTROSPECTION_CLIENT_ID",
    "JWKS_URL": "where the issuer publishes its keys, such as https://login.example/.well-known/jwks.json",
    "ISSUER": "exactly what `iss` of its tokens says, such as https://login.example",
    "AUDIENCE": "what `aud` of tokens for Tendon says, such as https://tendon.example",
}


@pytest.mark.parametrize(
    ("auth", "needed"),
    [("introspection", INTROSPECTION), ("jwt", JWT), ("introspection+jwt", INTROSPECTION | JWT)],
)
def test_all_that_is_missing_is_reported_at_once(read: Read, tmp_path: Path, auth: str, needed: dict[str, str]) -> None:
    lines = [f"TENDON_{name}: must be set with TENDON_AUTH={auth}: {NEEDED[name]}" for name in needed]
    lines.append(f"TENDON_VAULT_KEYS: must be set. {KEY_FORM}")
    assert read.lines({"AUTH": auth}) == lines
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", NEEDED)
def test_one_thing_that_is_missing(read: Read, missing: str) -> None:
    auth = "introspection+jwt"
    line = f"TENDON_{missing}: must be set with TENDON_AUTH={auth}: {NEEDED[missing]}"
    assert read.lines(PRODUCTION | INTROSPECTION | JWT | {"AUTH": auth, missing: ""}) == [line]


def test_a_line_for_each(read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is wrong, missing or contradictory, and the problems in the catalogue and the credentials."""
    (tmp_path / "acme.toml").write_text('slug = "acme"\nname = "Acme"\n', encoding="utf-8")
    monkeypatch.setenv("OURA_CLIENT_ID", "x")
    monkeypatch.setenv("STRAVA_CLIENT_ID", "x")
    monkeypatch.setenv("STRAVA_CLIENT_SECRET", "CANARY\n")
    wrong = {
        "AUTH": "jwt",
        "DATABASE_URL": "CANARY",
        "JWKS_URL": "CANARY",
        "SANDBOX": "1",
        "CATALOGUE": str(tmp_path),
        "PROVIDER_TIMEOUT": "CANARY",
    }
    assert read.lines(wrong) == [
        "TENDON_DATABASE_URL: must be sqlite://PATH or postgres://user@host/database",
        "TENDON_SANDBOX: the sandbox runs with TENDON_AUTH=dev only: write 0, or remove the setting",
        f"TENDON_JWKS_URL: {URL}",
        f"TENDON_ISSUER: must be set with TENDON_AUTH=jwt: {NEEDED['ISSUER']}",
        f"TENDON_AUDIENCE: must be set with TENDON_AUTH=jwt: {NEEDED['AUDIENCE']}",
        f"TENDON_VAULT_KEYS: must be set. {KEY_FORM}",
        "TENDON_PROVIDER_TIMEOUT: must be a number, such as 10",
        "acme.toml: docs: is missing",
        "acme.toml: authorize: is missing",
        "acme.toml: token: is missing",
        "OURA_CLIENT_SECRET: must be set, because OURA_CLIENT_ID is: set both, or neither to leave Oura out",
        f"STRAVA_CLIENT_SECRET: {BREAK}",
    ]


FOR_THE_CATALOGUE = [
    ("AUTH", "foo", WAYS),
    ("CATALOGUE", "/CANARY/nowhere", FOLDER),
    ("SANDBOX", "2", "must be 1 or 0"),
    ("ALLOW_PRIVATE_PROVIDERS", "2", "must be 1 or 0"),
]


@pytest.mark.parametrize(("name", "value", "problem"), FOR_THE_CATALOGUE)
def test_credentials_are_checked_whatever_else_is_wrong(
    read: Read, monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv("OURA_CLIENT_ID", "abc")
    monkeypatch.setenv("WHOOP_CLIENT_SECRET", " CANARY")
    assert read.lines(DEV | {name: value}) == [
        f"TENDON_{name}: {problem}",
        "OURA_CLIENT_SECRET: must be set, because OURA_CLIENT_ID is: set both, or neither to leave Oura out",
        f"WHOOP_CLIENT_SECRET: {SPACE}",
        "WHOOP_CLIENT_ID: must be set, because WHOOP_CLIENT_SECRET is: set both, or neither to leave WHOOP out",
    ]


@pytest.mark.parametrize(("name", "value", "problem"), FOR_THE_CATALOGUE)
def test_a_private_address_is_no_mistake_where_it_may_be_allowed(
    read: Read, tmp_path: Path, name: str, value: str, problem: str
) -> None:
    (tmp_path / "public.toml").write_text(PUBLIC.replace("https:", "http:"), encoding="utf-8")
    allowed = {"CATALOGUE": str(tmp_path), "ALLOW_PRIVATE_PROVIDERS": "1", name: value}
    assert f"TENDON_{name}: {problem}" in read.lines(PRODUCTION | INTROSPECTION | allowed)
    assert not any("public.toml" in line for line in read.lines(PRODUCTION | INTROSPECTION | allowed))


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("migrate", ["TENDON_LOG_LEVEL: must be DEBUG, INFO, WARNING or ERROR"]),
        ("providers", [f"TENDON_AUTH: {WAYS}", "acme.toml: slug: is missing"]),
        ("sandbox", [f"TENDON_AUTH: {WAYS}", "acme.toml: slug: is missing"]),
    ],
)
def test_each_command_reports_all_that_it_needs(tmp_path: Path, command: str, lines: list[str]) -> None:
    content = f"some words\nTENDON_AUTH=foo\nTENDON_LOG_LEVEL=loud\nTENDON_CATALOGUE={tmp_path}\n"
    (tmp_path / ".env").write_text(content, encoding="utf-8")
    (tmp_path / "acme.toml").write_text(PUBLIC.replace('slug = "public"', ""), encoding="utf-8")
    done = tendon(command, cwd=tmp_path, settings={})
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "tendon can't start:",
        ".env: line 1 can't be read: write NAME=value",
        *lines,
    ]


def test_the_sandbox_alone_allows_private_addresses_in_its_report_as_well(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("some words\n", encoding="utf-8")
    (tmp_path / "public.toml").write_text(PUBLIC.replace("https:", "http:"), encoding="utf-8")
    done = tendon("sandbox", cwd=tmp_path, settings={"TENDON_AUTH": "jwt", "TENDON_CATALOGUE": str(tmp_path)})
    assert done.stderr.splitlines() == ["tendon can't start:", ".env: line 1 can't be read: write NAME=value"]


@pytest.mark.parametrize("value", ["1", "true", "yes", "on", "TRUE"])
def test_no_sandbox_outside_dev(read: Read, value: str) -> None:
    (line,) = read.lines(PRODUCTION | INTROSPECTION | {"SANDBOX": value})
    assert line == "TENDON_SANDBOX: the sandbox runs with TENDON_AUTH=dev only: write 0, or remove the setting"


@pytest.mark.parametrize(
    ("credentials", "lines"),
    [
        (
            {"OURA_CLIENT_ID": "x"},
            ["OURA_CLIENT_SECRET: must be set, because OURA_CLIENT_ID is: set both, or neither to leave Oura out"],
        ),
        (
            {"OURA_CLIENT_SECRET": "CANARY", "OURA_CLIENT_ID": ""},
            ["OURA_CLIENT_ID: must be set, because OURA_CLIENT_SECRET is: set both, or neither to leave Oura out"],
        ),
        ({"OURA_CLIENT_ID": "x\n", "OURA_CLIENT_SECRET": "CANARY"}, [f"OURA_CLIENT_ID: {BREAK}"]),
        ({"OURA_CLIENT_ID": "'x'", "OURA_CLIENT_SECRET": "CANARY"}, [f"OURA_CLIENT_ID: {QUOTED}"]),
        ({"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "CANARY "}, [f"OURA_CLIENT_SECRET: {SPACE}"]),
        ({"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "CAN\rARY"}, [f"OURA_CLIENT_SECRET: {CONTROL}"]),
        (
            {"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "CANARY\udcff"},
            ["OURA_CLIENT_SECRET: is not UTF-8: write it in UTF-8"],
        ),
        ({"OURA_CLIENT_ID": "x", "OURA_CLIENT_SECRET": "'CANARY'"}, []),
        ({"PUBLIC_CLIENT_ID": "x"}, []),
        (
            {"PUBLIC_CLIENT_SECRET": "CANARY"},
            [
                "PUBLIC_CLIENT_ID: must be set, because PUBLIC_CLIENT_SECRET is: "
                "set both, or neither to leave Public out"
            ],
        ),
        ({"SANDBOX_CLIENT_ID": "x"}, []),
    ],
)
def test_credentials(
    read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, credentials: dict[str, str], lines: list[str]
) -> None:
    (tmp_path / "public.toml").write_text(PUBLIC, encoding="utf-8")
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    settings = DEV | {"CATALOGUE": str(tmp_path)}
    if lines:
        assert read.starting(settings).splitlines() == lines
    else:
        create_app(read(settings), read_environment(), "http://127.0.0.1:8000")


PUBLIC = """
slug = "public"
name = "Public"
docs = "https://public.example"
[authorize]
url = "https://public.example/authorize"
[token]
url = "https://public.example/token"
auth = "none"
"""


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"TENDON_AUTH=dev\n\n\nsome words\n", [".env: line 4 can't be read: write NAME=value"]),
        (b"TENDON_AUTH: dev\n", [".env: line 1 can't be read: write NAME=value"]),
        (b"\n# A comment\nTENDON_AUTH\n", [".env: line 3 has no `=` after TENDON_AUTH: write TENDON_AUTH=value"]),
        (b"OURA_CLIENT_SECRET\n", [".env: line 1 has no `=` after OURA_CLIENT_SECRET: write OURA_CLIENT_SECRET=value"]),
        (
            b"TENDON_AUTH=dev\nX=1\nTENDON_AUTH=jwt\n",
            [".env: TENDON_AUTH is set twice, in lines 1 and 3: remove one of them"],
        ),
        (
            b"TENDON_AUTH\nCANARY CANARY\nX=1\n\nX=1\n",
            [
                ".env: line 1 has no `=` after TENDON_AUTH: write TENDON_AUTH=value",
                ".env: line 2 can't be read: write NAME=value",
                ".env: X is set twice, in lines 3 and 5: remove one of them",
            ],
        ),
        ("TENDON_AUTH=dev".encode("utf-16"), [".env: is not UTF-8: save it as UTF-8"]),
        (b"TENDON_ISSUER=caf\xe9", [".env: is not UTF-8: save it as UTF-8"]),
    ],
)
def test_a_file_of_settings_with_mistakes(read: Read, tmp_path: Path, content: bytes, lines: list[str]) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert read.lines(DEV) == lines
    with pytest.raises(SettingsError) as raised:
        read_environment()
    assert str(raised.value).splitlines() == lines


def test_mistakes_in_the_file_are_reported_with_all_others(
    read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("TENDON_LOG_LEVEL=CANARY\nsome words\nOURA_CLIENT_ID=x\n", encoding="utf-8")
    assert read.lines(DEV) == [
        ".env: line 2 can't be read: write NAME=value",
        "TENDON_LOG_LEVEL: must be DEBUG, INFO, WARNING or ERROR",
        "OURA_CLIENT_SECRET: must be set, because OURA_CLIENT_ID is: set both, or neither to leave Oura out",
    ]


@given(st.binary(max_size=60) | st.text("AB=\"'#\\\\ \\n\\r$x", max_size=40).map(str.encode))
def test_whatever_stands_in_the_file(content: bytes) -> None:
    """It can be read, or its mistakes are reported."""
    with TemporaryDirectory() as folder, chdir(folder):
        Path(".env").write_bytes(content)
        try:
            values = read_environment()
        except SettingsError as fault:
            lines = str(fault).splitlines()
            assert all(line.startswith(".env: ") for line in lines)
        else:
            assert values.items() >= dict(os.environ).items()


def test_a_file_of_settings_as_windows_writes_it(read: Read, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("\ufeffTENDON_AUTH=dev\r\nTENDON_PROVIDER_TIMEOUT='7'\r\n".encode())
    settings = read({})
    assert (settings.auth, settings.provider_timeout) == ("dev", 7)


def test_a_folder_of_that_name_is_no_file_of_settings(read: Read, tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert read(DEV).dev


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        (".env", ".env: can't be read (Permission denied): let this user read it, or remove it"),
        ("folder", "TENDON_CATALOGUE: can't be read (Permission denied): let this user read the folder"),
    ],
)
def test_what_this_user_may_not_read(read: Read, tmp_path: Path, place: str, problem: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / ".env").write_text("TENDON_AUTH=dev\n", encoding="utf-8")
    (tmp_path / place).chmod(0)
    with nobody(tmp_path):
        assert read.lines({"CATALOGUE": "folder"}) == [problem]


@contextmanager
def nobody(folder: Path) -> Generator[None]:
    """Root may read everything, so a test that runs as root reads as another user. Late imports must be done before,
    since that user may not be able to read this Python."""
    folder.chmod(0o755)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


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
                "TENDON_REDIRECT_URIS: entry 1 has a fragment, which a redirect URI can't have (RFC 6749 3.1.2): "
                "remove the # and what follows",
                f"TENDON_VAULT_KEYS: the vault key main is not base64. {KEY_FORM}",
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
    remedy = "put its former content back, or remove the file and the database beside it to start over"
    with pytest.raises(
        SettingsError, match=rf"^\.tendon/vault\.keys: a vault key is `id:base64`.*: {remedy}$"
    ) as raised:
        open_vault(settings)
    assert "CANARY" not in str(raised.value)
    keys.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=rf"^\.tendon/vault\.keys: is not a list of keys: {remedy}$"):
        open_vault(settings)
    keys.unlink()
    keys.mkdir()
    with pytest.raises(SettingsError, match=r"^\.tendon/vault\.keys: can't be used \(Is a directory\): let this user"):
        open_vault(settings)
