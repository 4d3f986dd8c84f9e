"""`tendon keys`: what it prints of the keys, what it does with them, and its exit status. It never prints a key."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

from models.database import open_database
from models.vault import Vault, read_keys
from models.vault_key import VaultKeys
from tests.databases import Database
from tests.processes import TENDON, environment, tendon
from tests.sealed_values import add_connections, add_request, add_revocation, identity, opened
from tests.vault_keys import vault_key
from tests.waiting import until

K1, K2 = vault_key("k1"), vault_key("k2")
OLD, NEW = Vault(read_keys(K1)), Vault(read_keys(K2))
USER = "user-1"
# A record counts as recent for two minutes, and so long a drop waits for objections, and a minute more.
AGE = "UPDATE vault_key SET created_at = '2020-01-01 00:00:00.000000+00:00'"


def settings(database: Database, *keys: str) -> dict[str, str]:
    return {"TENDON_AUTH": "dev", "TENDON_DATABASE_URL": database.url, "TENDON_VAULT_KEYS": " ".join(keys)}


def run(database: Database, cwd: Path, *arguments: str, keys: tuple[str, ...] = (K2, K1)) -> tuple[int, str, str]:
    done = tendon("keys", *arguments, cwd=cwd, settings=settings(database, *keys))
    shown = done.stdout + done.stderr
    assert "Traceback" not in shown
    for secret in (*(key.partition(":")[2] for key in (K1, K2)), USER, "access-1"):
        assert secret not in shown
    return done.returncode, done.stdout, done.stderr


async def keys(
    database: Database, cwd: Path, *arguments: str, keys: tuple[str, ...] = (K2, K1)
) -> tuple[int, str, str]:
    return await asyncio.to_thread(run, database, cwd, *arguments, keys=keys)


async def listed(database: Database, cwd: Path, *given: str) -> tuple[int, Any]:
    code, out, err = await keys(database, cwd, "list", "--json", keys=given or (K2, K1))
    assert not err
    return code, json.loads(out)


async def fill(database: Database, vault: Vault = OLD, connections: int = 3) -> None:
    async with open_database(database.url) as ours:
        await VaultKeys(vault, ours).check_active()
        await add_connections(ours, vault, 0, connections)
        await add_request(ours, vault, 1)
        await add_revocation(ours, vault, 1)
    await database.fetch(AGE)


async def contents(database: Database, vault: Vault) -> dict[tuple[Any, ...], str]:
    async with open_database(database.url) as ours:
        return await opened(ours, vault)


async def test_an_empty_database(own_database: Database, tmp_path: Path) -> None:
    code, out, _ = await keys(own_database, tmp_path, "list")
    assert (code, re.sub(" +", " ", out)) == (0, "key encrypted values\nk2 active none\nk1 decrypts only none\n")
    assert await keys(own_database, tmp_path, "reseal") == (0, "nothing was left to encrypt under k2\n", "")


async def test_a_rotation(own_database: Database, tmp_path: Path) -> None:
    await fill(own_database)
    before = await contents(own_database, OLD)
    code, out, _ = await keys(own_database, tmp_path, "list")
    assert (code, out.splitlines()[1:]) == (
        0,
        ["k2   active         none", "k1   decrypts only  connection: 5, authorization_request: 1, revocation: 1"],
    )
    refused = await keys(own_database, tmp_path, "drop", "k1")
    values = "connection: 5, authorization_request: 1, revocation: 1"
    assert refused == (1, "", f"values are encrypted under k1 ({values}): run `tendon keys reseal`\n")
    code, out, err = await keys(own_database, tmp_path, "reseal")
    assert (code, err) == (0, "")
    assert out.startswith("encrypted under k2: ")
    assert out.endswith(". Nothing is encrypted under other keys any more\n")
    assert await contents(own_database, NEW) == before
    code, document = await listed(own_database, tmp_path)
    new, old = document["keys"]
    assert (code, document["ok"], document["attention"], document["active"]) == (0, True, [], "k2")
    assert new["values"] == {"connection": 5, "authorization_request": 1, "revocation": 1}
    assert (new["id"], new["active"], new["here"], new["being_dropped"]) == ("k2", True, True, False)
    assert (old["id"], old["active"], old["here"], old["values"]) == ("k1", False, True, {})
    assert old["recorded_at"] == "2020-01-01T00:00:00+00:00"


async def test_keys_that_are_missing_or_different_here(own_database: Database, tmp_path: Path) -> None:
    await fill(own_database)
    for given, here in ((K2,), False), ((K2, vault_key("k1", "another")), False), ((K1,), True):
        code, document = await listed(own_database, tmp_path, *given)
        assert (code, document["ok"]) == (0 if here else 1, here)
        (one,) = [one for one in document["keys"] if one["id"] == "k1"]
        assert one["here"] is here
        if not here:
            assert document["attention"] == ["k1 is missing here, or is another key: put it into TENDON_VAULT_KEYS"]
            code, out, err = await keys(own_database, tmp_path, "reseal", keys=given)
            assert (code, out) == (1, "")
            assert err.startswith(
                "nothing can be encrypted while these keys are missing here or differ (k1): put them into"
            )
    assert "missing here" in (await keys(own_database, tmp_path, "list", keys=(K2,)))[1]


async def test_values_that_were_changed_are_named(own_database: Database, tmp_path: Path) -> None:
    await fill(own_database)
    change = "UPDATE connection SET access_token = $1 WHERE id = $2"
    await own_database.fetch(change, b"?", identity(1))
    moved = await own_database.value("SELECT refresh_token FROM connection WHERE id = $1", identity(2))
    await own_database.fetch(change, moved, identity(2))
    code, document = await listed(own_database, tmp_path)
    assert (code, document["unreadable"]) == (1, {"connection": 1})
    code, out, _ = await keys(own_database, tmp_path, "reseal")
    assert code == 1
    attention = sorted(line for line in out.splitlines() if line.startswith("- "))
    assert [line.partition(" was ")[0] for line in attention] == [
        f"- access_token of connection {identity(number)}" for number in (1, 2)
    ]
    refused = await keys(own_database, tmp_path, "drop", "k1")
    assert (refused[0], "(connection: 1)" in refused[2]) == (1, True)


async def test_what_can_not_be_dropped(own_database: Database, tmp_path: Path) -> None:
    code, out, err = await keys(own_database, tmp_path, "drop", "k2")
    assert (code, out) == (1, "")
    assert err == "k2 is the active key here: put another key in front of it in TENDON_VAULT_KEYS\n"
    code, _, err = await keys(own_database, tmp_path, "drop", "k9")
    assert (code, err) == (1, "there is no key k9, neither in the database nor in TENDON_VAULT_KEYS\n")
    done = await keys(own_database, tmp_path, "drop", "k1")
    assert done == (0, "k1 has no record in the database: remove it from TENDON_VAULT_KEYS\n", "")


def test_the_command_line(tmp_path: Path) -> None:
    for arguments in ((), ("keep",), ("drop",), ("list", "k1")):
        done = tendon("keys", *arguments, cwd=tmp_path, settings={})
        assert (done.returncode, done.stdout) == (2, "")
    done = tendon("keys", "list", cwd=tmp_path, settings={"TENDON_AUTH": "jwt"})
    assert (done.returncode, "TENDON_VAULT_KEYS: must be set" in done.stderr) == (2, True)


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    given = {"TENDON_AUTH": "dev", "TENDON_VAULT_KEYS": K1}
    done = tendon("keys", "list", cwd=tmp_path, settings=given | {"TENDON_DATABASE_URL": "sqlite://missing.db"})
    assert (done.returncode, "run `tendon migrate`" in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
    away = given | {"TENDON_DATABASE_URL": "postgres://u:p@127.0.0.1:1/db"}
    why = "(ConnectionRefusedError): no server listens there; start it, or correct host and port. Run the command again"
    for action, rest in ("list", " then\n"), ("reseal", " then: it goes on where this one ended\n"):
        done = tendon("keys", action, cwd=tmp_path, settings=away)
        assert (done.returncode, done.stderr.endswith(why + rest)) == (1, True)


async def test_one_that_is_killed_in_the_middle_is_continued(own_database: Database, tmp_path: Path) -> None:
    """And two at once share the rest."""
    await fill(own_database, connections=1500)
    before = await contents(own_database, OLD)
    head = b"\x01\x02k2"
    # The statement of each engine for the first bytes of a token.
    count = "SELECT count(*) FROM connection WHERE substr(access_token, 1, 4) = $1"
    with start(own_database, tmp_path, "reseal") as process:

        async def has_begun() -> bool:
            return await own_database.value(count, head) > 0

        await until(has_begun, "the first values")
        process.kill()
    done = await own_database.value(count, head)
    assert 0 < done < 1500
    async with open_database(own_database.url) as ours:
        assert await opened(ours, Vault(read_keys(f"{K2} {K1}"))) == before
    both = [start(own_database, tmp_path, "reseal") for _ in range(2)]
    for process in both:
        out, err = await asyncio.to_thread(process.communicate)
        assert (process.returncode, err) == (0, ""), out
        assert "needs attention" not in out
    assert await contents(own_database, NEW) == before


def start(database: Database, cwd: Path, *arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    own = environment(**settings(database, K2, K1))
    command = [TENDON, "keys", *arguments]
    return subprocess.Popen(command, cwd=cwd, env=own, text=True, stdout=subprocess.PIPE, stderr=stderr)


async def test_progress_on_a_terminal(own_database: Database, tmp_path: Path) -> None:
    """A drop waits until no process can seal with the key any more, and says for how long."""
    await fill(own_database, OLD, connections=0)
    await own_database.fetch("DELETE FROM authorization_request")
    await own_database.fetch("DELETE FROM revocation")
    ours, theirs = pty.openpty()
    process = start(own_database, tmp_path, "drop", "k1", stderr=theirs)
    os.close(theirs)
    shown = ""
    while "waiting until" not in shown:
        shown += (await asyncio.to_thread(os.read, ours, 1000)).decode()
    assert "waiting until no process uses the key any more: 1" in shown
    _, document = await listed(own_database, tmp_path)
    assert [one["being_dropped"] for one in document["keys"]] == [False, True]
    assert "being dropped" in (await keys(own_database, tmp_path, "list"))[1]
    await pass_time(own_database)
    out = await asyncio.to_thread(lambda: process.communicate()[0])
    os.close(ours)
    assert (process.returncode, out) == (0, "dropped k1: remove it from TENDON_VAULT_KEYS\n")
    assert await own_database.fetch("SELECT key_id FROM vault_key") == [("k2",)]


async def pass_time(database: Database) -> None:
    """Let marks of keys be old."""
    for key_id, check in await database.fetch('SELECT key_id, "check" FROM vault_key'):
        if check.startswith(b"drop "):
            _, _, sealed = check.split(b" ", 2)
            aged = b"drop 2020-01-01T00:00:00+00:00 " + sealed
            await database.fetch('UPDATE vault_key SET "check" = $1 WHERE key_id = $2', aged, key_id)
