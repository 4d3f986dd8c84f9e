"""The keys of dev mode."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.settings import SettingsError
from gateway.settings.vault_keys import open_vault
from tests.gateway.settings.reader import DEV, Read


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
