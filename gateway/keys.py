"""The vault's keys: from the setting, or in dev from a file that is made once."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.settings import Settings, SettingsError
from models.vault import Vault, VaultError, new_key, read_keys

_DEV_KEYS: Final = Path(".tendon/vault.keys")


def open_vault(settings: Settings) -> Vault:
    """Raises SettingsError when there is no usable key. Outside dev no key means no start."""
    if settings.vault_keys is not None:
        return Vault(read_keys(settings.vault_keys.get_secret_value()))
    if not settings.dev:
        raise SettingsError("TENDON_VAULT_KEYS: must be set: `id:base64 of 32 bytes`, separated by spaces")
    try:
        return Vault(read_keys(_dev_keys()))
    except VaultError as fault:
        raise SettingsError(f"{_DEV_KEYS}: {fault}") from None


def _dev_keys() -> str:
    """Linked into place when it is whole, so that of two first starts both read the same key."""
    _DEV_KEYS.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _DEV_KEYS.exists():
        handle, name = tempfile.mkstemp(dir=_DEV_KEYS.parent)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(new_key("dev"))
        with suppress(FileExistsError):
            os.link(name, _DEV_KEYS)
        Path(name).unlink()
    _DEV_KEYS.chmod(0o600)
    return _DEV_KEYS.read_text(encoding="ascii")
