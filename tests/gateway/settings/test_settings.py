"""Settings: each that is wrong gets one line with its name, and never its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.settings import Settings, read_environment
from models.engine import Limits
from resolvers.errors import RateLimited
from tests.gateway.settings.reader import (
    BREAK,
    DEV,
    INTROSPECTION,
    JWT,
    KEY,
    KEY_FORM,
    PRODUCTION,
    URL,
    Read,
)
from wire.tables import keys


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
    assert (limiter is None) is (allowed is None)
    if limiter is None or allowed is None:
        return
    for _ in range(allowed):
        limiter.spend(None)
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
    assert read(DEV | {name.upper(): "" for name in keys(Settings) if name != "auth"}) == unset


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
        "TENDON_SANDBOX: the sandbox runs with TENDON_AUTH=dev only: write 0, or remove the setting",
        "TENDON_DATABASE_URL: must be sqlite://PATH or postgres://user@host/database",
        f"TENDON_JWKS_URL: {URL}",
        f"TENDON_ISSUER: must be set with TENDON_AUTH=jwt: {NEEDED['ISSUER']}",
        f"TENDON_AUDIENCE: must be set with TENDON_AUTH=jwt: {NEEDED['AUDIENCE']}",
        f"TENDON_VAULT_KEYS: must be set. {KEY_FORM}",
        "TENDON_PROVIDER_TIMEOUT: must be a number, such as 10",
        "acme.toml: docs: is missing: The page where the vendor documents OAuth.",
        "acme.toml: authorize: is missing: The authorization endpoint, to which users are sent.",
        "acme.toml: token: is missing: The token endpoint, and how its answers are read.",
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
