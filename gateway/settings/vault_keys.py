"""Opens the vault with the keys of TENDON_VAULT_KEYS, or, in dev mode, of a file that is created at the first start."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.settings.environment import SettingsError
from gateway.settings.model import Settings
from gateway.settings.types import KEY_FORM
from models.file_modes import OWN_FOLDER, ReadableByOthers, make_own_folder_private, make_private
from models.vault import Vault, VaultError, new_key, read_keys

_DEV_KEYS: Final = Path(OWN_FOLDER, "vault.keys")
_REMEDY: Final = "put its former content back, or remove the file and the database beside it to start over"


def open_vault(settings: Settings) -> Vault:
    """Raises SettingsError when there is no usable key. Outside dev mode, TENDON_VAULT_KEYS must be set."""
    if settings.vault_keys is not None:
        return Vault(read_keys(settings.vault_keys))
    if not settings.dev:
        raise SettingsError(f"TENDON_VAULT_KEYS: must be set. {KEY_FORM}")
    try:
        return Vault(read_keys(_dev_keys()))
    except ReadableByOthers as fault:
        raise SettingsError(str(fault)) from None
    except VaultError as fault:
        raise SettingsError(f"{_DEV_KEYS}: {fault}: {_REMEDY}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{_DEV_KEYS}: is not a list of keys: {_REMEDY}") from None
    except OSError as fault:
        raise SettingsError(f"{_DEV_KEYS}: can't be used ({fault.strerror}): let this user read and write it") from None


def _dev_keys() -> str:
    """The content of the file. A new file is linked into place when it is complete, so that two processes that make it
    at the same time read the same key."""
    _DEV_KEYS.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_own_folder_private(_DEV_KEYS.parent)
    if not _DEV_KEYS.exists():
        handle, name = tempfile.mkstemp(dir=_DEV_KEYS.parent)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(new_key("dev"))
        with suppress(FileExistsError):
            os.link(name, _DEV_KEYS)
        Path(name).unlink()
    make_private(_DEV_KEYS)
    return _DEV_KEYS.read_text(encoding="ascii")
