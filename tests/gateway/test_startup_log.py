"""What the log says first, and which settings it warns of."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.resources import configure
from gateway.settings import Settings
from gateway.settings.reading import settings_of
from gateway.settings.warnings import SettingsWarning
from gateway.startup_log import log_start
from models.vault import new_key

OURA = {"OURA_CLIENT_ID": "a", "OURA_CLIENT_SECRET": "b"}
HTTPS = {
    "introspection_url": "https://id.example/introspect",
    "introspection_client_id": "tendon",
    "introspection_client_secret": "s3cret",
    "jwks_url": "https://id.example/jwks",
    "issuer": "https://id.example",
    "audience": "https://tendon.example",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The keys of dev are made in the current directory.
    monkeypatch.chdir(tmp_path)


def logged(
    auth: str = "introspection",
    values: Mapping[str, str] | None = None,
    *,
    environment: Mapping[str, str] = OURA,
    warnings: Sequence[SettingsWarning] = (),
) -> dict[str, MutableMapping[str, Any]]:
    """By event."""
    whole = {
        "database_url": "sqlite://tendon.db",
        "redirect_uris": "https://app.example/cb",
        "vault_keys": None if auth == "dev" else new_key("k1"),
        **HTTPS,
        **(values or {}),
    }
    given = {name: value for name, value in whole.items() if value is not None}
    with capture_logs() as events:
        log_start(configure(settings_of(Settings, {"auth": auth, **given}), environment), warnings)
    return {event["event"]: event for event in events}


def test_what_was_started() -> None:
    environment = {"FITBIT_CLIENT_ID": "x", "FITBIT_CLIENT_SECRET": "y", **OURA}
    found = logged("introspection", {"services": "r=read:wearables"}, environment=environment)
    started = found.pop("started")
    assert {name: started[name] for name in ("log_level", "auth", "providers")} == {
        "log_level": "info",
        "auth": "introspection",
        "providers": ["fitbit", "oura"],
    }
    assert "tendon.db" in started["database"]
    assert started["services"] == ["r=read:wearables"]
    assert started["version"] == "0.1.0"
    # There is nothing to warn of.
    assert found == {}


@pytest.mark.parametrize(
    ("auth", "values", "events"),
    [
        ("introspection", {"database_url": None}, {"database.default"}),
        ("introspection", {"redirect_uris": ""}, {"nothing.to.redirect.to"}),
        ("introspection", {"introspection_url": "http://id.example"}, {"plain.http"}),
        ("jwt", {"jwks_url": "http://id.example"}, {"plain.http"}),
        # A way that is not used.
        ("jwt", {"introspection_url": "http://id.example"}, set()),
        ("introspection", {"jwks_url": "http://id.example"}, set()),
        ("introspection", {"jwks_url": None}, set()),
        # A developer's database is where it is by default.
        ("dev", {"database_url": None, "redirect_uris": ""}, {"nothing.to.redirect.to"}),
    ],
)
def test_what_is_warned_of(auth: str, values: dict[str, str], events: set[str]) -> None:
    found = logged(auth, values)
    assert set(found) - {"started"} == events
    assert {found[event]["log_level"] for event in events} <= {"warning"}


@pytest.mark.parametrize(("way", "url"), [("jwt", "jwks_url"), ("introspection", "introspection_url")])
def test_each_way_in_plain_http_is_named(way: str, url: str) -> None:
    assert logged("introspection+jwt", {url: "http://id.example"})["plain.http"]["way"] == way


@pytest.mark.parametrize(("auth", "warned"), [("introspection", True), ("dev", False)])
def test_no_provider_can_be_used(auth: str, warned: bool) -> None:
    assert ("no.providers" in logged(auth, environment={})) is warned


def test_warnings_of_the_settings() -> None:
    warning = SettingsWarning("setting.unknown", "TENDON_X", "it is misspelt")
    assert logged(warnings=[warning])["setting.unknown"] == {
        "event": "setting.unknown",
        "log_level": "warning",
        "name": "TENDON_X",
        "reason": "it is misspelt",
    }
