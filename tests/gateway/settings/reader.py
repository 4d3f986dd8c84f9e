"""Reads settings as the commands do, and the settings that each mode needs."""

from __future__ import annotations

import base64
import hashlib

import pytest

from gateway.app import create_app
from gateway.settings import Settings, SettingsError, read_environment, read_settings

KEY = f"main:{base64.b64encode(hashlib.sha256(b'main').digest()).decode()}"
DEV = {"AUTH": "dev"}
PRODUCTION = {"AUTH": "introspection", "VAULT_KEYS": KEY, "REDIRECT_URIS": "https://app.example/cb"}
INTROSPECTION = {
    "INTROSPECTION_URL": "https://login.example/introspect",
    "INTROSPECTION_CLIENT_ID": "tendon",
    "INTROSPECTION_CLIENT_SECRET": "CANARY",
}
JWT = {"JWKS_URL": "https://login.example/jwks", "ISSUER": "https://login.example", "AUDIENCE": "tendon"}

# What is reported of more than one setting.
KEY_FORM = "Write `id:base64 of 32 random bytes`, several separated by spaces; README.md has a command that makes one"
WAYS = "must be dev, introspection, jwt or introspection+jwt"
SPACE = "begins or ends with white space: remove it"
BREAK = "begins or ends with a line break: remove it"
CONTROL = "contains a line break or another control character: remove it"
QUOTED = "is in quotation marks, which are part of the value here: remove them"
FOLDER = "is not a folder: name the one that holds your catalogue files, or remove the setting"

URL = "must be an http or https URL without a user name or fragment, such as https://login.example/path"

# The catalogue entry of a provider that needs no client secret.
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
