"""Settings: each that is wrong gets one line with its name, and never its value."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.settings import Settings, read_environment
from models.engine import Limits
from models.vault import make_key_command
from resolvers.errors import RateLimited
from tests.gateway.settings.reader import (
    BREAK,
    CONTROL,
    DEV,
    FOLDER,
    INTROSPECTION,
    JWT,
    KEY,
    KEY_FORM,
    PRODUCTION,
    QUOTED,
    SPACE,
    WAYS,
    Read,
)


def test_dev_needs_nothing_else(read: Read) -> None:
    settings = read(DEV)
    assert (settings.dev, settings.with_sandbox, settings.explorer, settings.private_providers) == (True,) * 4
    assert settings.database_url == "sqlite://.tendon/tendon.db"
    assert (settings.provider_timeout, settings.log_level, settings.redirect_uris) == (10, "INFO", "")
    assert (settings.database_pool, settings.database_timeout) == (10, 5)
    assert (settings.concurrency, settings.keep_alive, settings.with_connect_page) == (32, 75, True)
    assert (settings.service_clients, settings.vault_keys, settings.catalogue) == ({}, None, None)
    create_app(settings, read_environment(), "http://127.0.0.1:8000")


def test_the_limits_of_the_database_are_the_settings(read: Read) -> None:
    limits = read(DEV | {"DATABASE_POOL": "7", "DATABASE_TIMEOUT": "2.5"}).database_limits
    assert limits == Limits(7, 2.5)


@pytest.mark.parametrize(("timeout", "grace"), [("1", 30), ("10", 30), ("10.5", 30.5), ("60", 80)])
def test_a_shutdown_waits_longer_than_a_callback_takes(read: Read, timeout: str, grace: float) -> None:
    assert read(DEV | {"PROVIDER_TIMEOUT": timeout}).grace == grace


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        (DEV, None),
        (DEV | {"RATE_LIMIT": "3/hour"}, 3),
        (PRODUCTION | INTROSPECTION, 100),
        (PRODUCTION | INTROSPECTION | {"RATE_LIMIT": "3/hour"}, 3),
        (PRODUCTION | INTROSPECTION | {"RATE_LIMIT": "off"}, None),
    ],
)
def test_the_rate_of_a_caller(read: Read, settings: dict[str, str], allowed: int | None) -> None:
    """Without a limit in dev mode, and 100 a second elsewhere, unless one is set."""
    limiter = read(settings).new_rate_limiter()
    for _ in range(allowed or 1000):
        limiter.spend(None)
    if allowed is not None:
        # Some are allowed again meanwhile, but not as many.
        with pytest.raises(RateLimited):
            all(limiter.spend(None) is None for _ in range(10_000))


@pytest.mark.parametrize("auth", ["introspection", "jwt", "introspection+jwt"])
def test_production_is_closed(read: Read, auth: str) -> None:
    settings = read(PRODUCTION | INTROSPECTION | JWT | {"AUTH": auth})
    assert (settings.dev, settings.with_sandbox, settings.explorer, settings.private_providers) == (False,) * 4
    assert not settings.with_connect_page
    create_app(settings, read_environment(), "http://127.0.0.1:8000")


def test_switches_stand_as_they_are_set(read: Read) -> None:
    settings = read(DEV | {"SANDBOX": "0", "EXPLORE": "false", "ALLOW_PRIVATE_PROVIDERS": "0", "CONNECT_PAGE": "0"})
    assert (settings.with_sandbox, settings.explorer, settings.private_providers) == (False,) * 3
    assert not settings.with_connect_page
    production = PRODUCTION | INTROSPECTION | {"SANDBOX": "0"}
    settings = read(production | {"EXPLORE": "1", "ALLOW_PRIVATE_PROVIDERS": "1", "CONNECT_PAGE": "1"})
    assert (settings.explorer, settings.private_providers, settings.with_connect_page) == (True,) * 3


def test_auth_must_be_set(read: Read) -> None:
    for nothing in ({}, {"AUTH": ""}):
        assert read.lines(nothing) == ["TENDON_AUTH: must be set: dev, introspection, jwt or introspection+jwt"]


def test_what_is_empty_is_not_set(read: Read) -> None:
    unset = read(DEV)
    assert read(DEV | {name.upper(): "" for name in Settings.model_fields if name != "auth"}) == unset


URL = "must be an http or https URL without a user name or fragment, such as https://login.example/path"
SCOPES = "read:wearables, write:wearables, issue:sessions, read:audit, read:tokens, write:erasure"
ENTRY = "write client_id=scope,scope and separate clients with spaces"

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
    ("DATABASE_POOL", "1001", "must be from 1 to 1000 connections"),
    ("DATABASE_POOL", "CANARY", "must be a whole number, such as 10"),
    ("DATABASE_POOL", "2.5", "must be a whole number, such as 10"),
    ("DATABASE_POOL", " 10", SPACE),
    ("DATABASE_TIMEOUT", "0.05", "must be from 0.1 to 60 seconds"),
    ("DATABASE_TIMEOUT", "60.01", "must be from 0.1 to 60 seconds"),
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
    ("VAULT_KEYS", f"{KEY};two:CANARY", "has a comma or semicolon: separate keys with spaces"),
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
    ("INTROSPECTION_CLIENT_SECRET", "CAN\x01ARY", CONTROL),
    ("INTROSPECTION_CLIENT_SECRET", "CAN\x1fARY", CONTROL),
    ("INTROSPECTION_CLIENT_SECRET", "CAN\x7fARY", CONTROL),
    ("INTROSPECTION_CLIENT_SECRET", "CAN\x9fARY", CONTROL),
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
    ("SERVICES", "a=read:tokens,read:tokens,read:tokens", "entry 1 has the scope read:tokens twice: write it once"),
    (
        "SERVICES",
        f"{'a' * 255}=read:tokens {'b' * 256}=read:tokens",
        f"entry 2 has no client id of 1 to 255 printable ASCII characters: {ENTRY}",
    ),
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
    ("CONCURRENCY", "0", "must be from 1 to 1000 requests"),
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


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("DATABASE_POOL", "1", "1000"),
        ("DATABASE_TIMEOUT", "0.1", "60"),
        ("PROVIDER_TIMEOUT", "0.001", "60"),
        ("CONCURRENCY", "1", "1000"),
        ("KEEP_ALIVE", "1", "3600"),
    ],
)
def test_the_bounds_of_a_number_are_allowed(read: Read, name: str, least: str, most: str) -> None:
    for value in (least, most):
        assert getattr(read(DEV | {name: value}), name.lower()) == float(value)


def test_quotation_marks_may_be_part_of_a_secret_or_stand_alone(read: Read) -> None:
    secret = {"INTROSPECTION_CLIENT_SECRET": "'CANARY'"}
    kept = read(PRODUCTION | INTROSPECTION | secret).introspection_client_secret
    assert kept is not None
    assert kept.get_secret_value() == "'CANARY'"
    for value in ("'", '"', "'x", "x'", "'x\""):
        assert read(DEV | {"INTROSPECTION_CLIENT_ID": value}).introspection_client_id == value


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


@pytest.mark.parametrize("value", ["1", "true", "t", "yes", "y", "on", "TRUE"])
def test_no_sandbox_outside_dev(read: Read, value: str) -> None:
    (line,) = read.lines(PRODUCTION | INTROSPECTION | {"SANDBOX": value})
    assert line == "TENDON_SANDBOX: the sandbox runs with TENDON_AUTH=dev only: write 0, or remove the setting"


def test_secrets_do_not_print_themselves(read: Read) -> None:
    settings = read(PRODUCTION | INTROSPECTION | {"DATABASE_URL": "postgres://tendon:CANARY@database.example/tendon"})
    assert "CANARY" not in f"{settings!r} {settings}"
    assert KEY.partition(":")[2] not in f"{settings!r} {settings}"
