"""Reads and validates the settings. README.md has a table of them.

    environment.py      reads the environment and `.env` into one mapping, without interpreting the values
    reading.py          takes the settings from it, validates them, and reports all problems in one SettingsError
    model.py            the settings with their defaults; the field `log_level` is the variable TENDON_LOG_LEVEL
    types.py            the types of those fields; each says in its message what to write instead
    service_clients.py  reads the value of TENDON_SERVICES
    client_keys.py      reads the private keys that TENDON_CLIENT_KEYS names
    registrations.py    reads the catalogue, and the client credentials `<SLUG>_CLIENT_ID` and `<SLUG>_CLIENT_SECRET`
    vault_keys.py       opens the vault with TENDON_VAULT_KEYS
    warnings.py         warnings at the start: settings that have no effect or are risky

To add a setting: add a field to `Settings` in model.py, with a type from types.py, a row to the table in README.md, and
a row with a wrong value to `REFUSED` in tests/gateway/settings/test_types.py.
"""

from gateway.settings.environment import SettingsError, read_environment
from gateway.settings.model import CatalogueSettings, DatabaseSettings, ExportSettings, SandboxSettings, Settings
from gateway.settings.reading import (
    read_catalogue_settings,
    read_database_settings,
    read_export_settings,
    read_sandbox_settings,
    read_settings,
)

__all__ = [
    "CatalogueSettings",
    "DatabaseSettings",
    "ExportSettings",
    "SandboxSettings",
    "Settings",
    "SettingsError",
    "read_catalogue_settings",
    "read_database_settings",
    "read_environment",
    "read_export_settings",
    "read_sandbox_settings",
    "read_settings",
]
