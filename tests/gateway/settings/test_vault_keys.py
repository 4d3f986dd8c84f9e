"""The keys of dev mode."""

from __future__ import annotations

import re
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from gateway.settings import Settings, SettingsError
from gateway.settings.reading import settings_of
from gateway.settings.vault_keys import open_vault
from tests.gateway.settings.reader import DEV, INTROSPECTION, KEY, KEY_FORM, PRODUCTION, Read


def test_the_keys_of_dev_are_made_once(read: Read, tmp_path: Path) -> None:
    """And are nobody else's to read."""
    settings, keys = read(DEV), tmp_path / ".tendon" / "vault.keys"
    sealed = open_vault(settings).seal("secret", table="t", row=(), column="c")
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.parent.stat().st_mode) == 0o700
    assert list(keys.parent.iterdir()) == [keys]
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


def test_the_keys_of_dev_are_made_nobody_elses_to_read(read: Read, tmp_path: Path) -> None:
    """Nor the folder anybody else's to write."""
    settings, keys = read(DEV), tmp_path / ".tendon" / "vault.keys"
    sealed = open_vault(settings).seal("secret", table="t", row=(), column="c")
    keys.chmod(0o644)
    keys.parent.chmod(0o777)
    assert open_vault(settings).open(sealed, table="t", row=(), column="c") == "secret"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.parent.stat().st_mode) == 0o700


def test_two_processes_that_make_the_keys_of_dev_read_the_same(read: Read, tmp_path: Path) -> None:
    """Several threads begin at the same moment, in each of several folders."""
    settings, count = read(DEV), 4
    for _ in range(5):
        shutil.rmtree(tmp_path / ".tendon", ignore_errors=True)
        together = Barrier(count)

        def seal(together: Barrier = together) -> bytes:
            together.wait(30)
            return open_vault(settings).seal("secret", table="t", row=(), column="c")

        with ThreadPoolExecutor(count) as threads:
            sealed = [each.result() for each in [threads.submit(seal) for _ in range(count)]]
        assert {open_vault(settings).open(each, table="t", row=(), column="c") for each in sealed} == {"secret"}
        assert [path.name for path in (tmp_path / ".tendon").iterdir()] == ["vault.keys"]


def test_keys_that_are_set_are_used_in_dev_too(read: Read, tmp_path: Path) -> None:
    sealed = open_vault(read(DEV | {"VAULT_KEYS": KEY})).seal("secret", table="t", row=(), column="c")
    assert list(tmp_path.iterdir()) == []
    vault = open_vault(read(PRODUCTION | INTROSPECTION))
    assert vault.open(sealed, table="t", row=(), column="c") == "secret"


def test_no_keys_are_made_outside_dev(tmp_path: Path) -> None:
    settings = settings_of(Settings, {"auth": "jwt"})
    with pytest.raises(SettingsError, match=f"^TENDON_VAULT_KEYS: must be set. {re.escape(KEY_FORM)}$"):
        open_vault(settings)
    assert list(tmp_path.iterdir()) == []
