"""`tendon forget`: its receipt, its exit status, and that it can be repeated."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from models.database import open_database
from models.vault import Vault, read_keys
from models.vault_key import VaultKeys
from tests.databases import Database, SqliteFile
from tests.processes import tendon
from tests.sealed_values import add_connections
from tests.vault_keys import vault_key

KEY = vault_key("k1")


async def forget(database: Database, cwd: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    own = {"TENDON_AUTH": "dev", "TENDON_DATABASE_URL": database.url, "TENDON_VAULT_KEYS": KEY, **settings}
    return await asyncio.to_thread(tendon, "forget", *arguments, cwd=cwd, settings=own)


async def fill(database: Database) -> None:
    vault = Vault(read_keys(KEY))
    async with open_database(database.url) as ours:
        await VaultKeys(vault, ours).check_active()
        await add_connections(ours, vault, 0, 3)


async def receipt(database: Database, cwd: Path, user: str) -> Any:
    done = await forget(database, cwd, user, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


async def test_the_receipt(own_database: Database, tmp_path: Path) -> None:
    await fill(own_database)
    user = await own_database.value("SELECT user_id FROM connection ORDER BY user_id LIMIT 1")
    done = await forget(own_database, tmp_path, user)
    assert (done.returncode, done.stderr) == (0, "")
    assert user not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == "forgotten. These rows were removed:"
    assert "  connections: 1" in lines
    assert re.fullmatch(r"the audit trail keeps the pseudonym [0-9a-f]{32}, which leads to nobody any more", lines[-1])
    assert await own_database.value("SELECT count(*) FROM connection") == 2


async def test_again(own_database: Database, tmp_path: Path) -> None:
    await fill(own_database)
    user = await own_database.value("SELECT user_id FROM connection ORDER BY user_id LIMIT 1")
    first = await receipt(own_database, tmp_path, user)
    again = await receipt(own_database, tmp_path, user)
    assert (first["removed"]["connections"], set(again["removed"].values())) == (1, {0})
    assert first["pseudonym"] == again["pseudonym"]
    assert first["file_purged"] is (True if own_database.engine == "sqlite" else None)
    lines = (await forget(own_database, tmp_path, user)).stdout.splitlines()
    assert (
        lines[0] == "nothing was removed, because nothing is stored of this user. If that is unexpected, check the id"
    )
    assert lines[-1] == f"if the audit trail has events of this user, they have the pseudonym {first['pseudonym']}"
    told = await own_database.fetch("SELECT outcome, actor, client_id FROM audit_event WHERE action = 'erase'")
    assert told == [("ok", None, None), ("replayed", None, None), ("replayed", None, None)]


@pytest.mark.parametrize("user", ["", " ", "a\nb", "a" * 256])
async def test_an_id_that_nobody_can_have(own_database: Database, tmp_path: Path, user: str) -> None:
    done = await forget(own_database, tmp_path, user)
    assert (done.returncode, done.stdout) == (2, "")
    assert "USER must" in done.stderr


async def test_keys_that_differ(own_database: Database, tmp_path: Path) -> None:
    """Nothing is removed, and to repeat the command would not help."""
    await fill(own_database)
    user = await own_database.value("SELECT user_id FROM connection ORDER BY user_id LIMIT 1")
    done = await forget(own_database, tmp_path, user, TENDON_VAULT_KEYS=vault_key("k1", "another"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "nothing can be encrypted while these keys are missing here or differ (k1): put them into TENDON_VAULT_KEYS\n"
    )
    assert await own_database.value("SELECT count(*) FROM connection") == 3


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    own = {"TENDON_AUTH": "dev", "TENDON_DATABASE_URL": "postgres://u@127.0.0.1:1/db", "TENDON_VAULT_KEYS": KEY}
    done = tendon("forget", "alice", cwd=tmp_path, settings=own)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(
        "the database can't be used (ConnectionRefusedError): no server listens there; start it, or correct host and"
        " port. Run the command again, which is safe\n"
    )


async def test_a_database_without_tables(empty_database: Database, tmp_path: Path) -> None:
    done = await forget(empty_database, tmp_path, "alice")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("own_database", ["sqlite"], indirect=True)
async def test_another_process_reads_the_file_for_long(tmp_path: Path, own_database: SqliteFile) -> None:
    """The rows are removed all the same."""
    await fill(own_database)
    user = await own_database.value("SELECT user_id FROM connection ORDER BY user_id LIMIT 1")
    with closing(sqlite3.connect(own_database.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM connection").fetchone()
        done = await forget(own_database, tmp_path, user, "--json", TENDON_DATABASE_TIMEOUT="1")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["ok"], told["file_purged"], told["removed"]["connections"]) == (False, False, 1)
    assert (await receipt(own_database, tmp_path, user))["file_purged"] is True
