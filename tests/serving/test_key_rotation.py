"""A vault key is replaced as docs/operating.md says, while users connect and read, and nobody notices."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from models.database import open_database
from models.vault import Vault, read_keys
from tests.conftest import Person, begin
from tests.databases import Database
from tests.interfaces import Rest
from tests.processes import TENDON, Process, environment
from tests.sandbox_control import Sandbox
from tests.sealed_values import opened
from tests.serving.conftest import KEY, Serve
from tests.serving.serving import becomes
from tests.waiting import until

PAGE = (
    Path("docs/operating.md").read_text(encoding="utf-8").partition("## Rotating vault keys\n")[2].partition("\n## ")[0]
)
GENERATE, RESEAL, DROP = (block.strip() for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
# Let the record of a key be marked for as long as `tendon keys drop` waits.
MARKED = b"drop "
AGED = b"drop 2020-01-01T00:00:00+00:00 "
TABLES = ("connection", "authorization_request", "ended_request", "audit_key", "vault_key", "revocation")


class Load:
    """Users who connect and read, each time at another of the processes that are there."""

    def __init__(self, client: httpx.AsyncClient, sandbox: Sandbox) -> None:
        self.processes: list[Process] = []
        self.connected: list[str] = []
        self._client, self._sandbox = client, sandbox
        self._numbers = count()
        self._ending = False

    def api(self) -> Rest:
        return Rest(self._client, self.processes[next(self._numbers) % len(self.processes)].origin)

    async def run(self) -> None:
        while not self._ending:
            await self.connect()

    async def connect(self) -> None:
        person = Person(f"user-{next(self._numbers)}")
        callback = await begin(self.api(), self._sandbox, person)
        connection = (await self.api().complete(person.token, **callback)).connection
        listed = await self.api().connections(person.token, userId=person.id)
        assert listed.data == {"connections": [connection]}
        self.connected.append(connection["id"])

    async def more(self) -> None:
        """Waits until some more have connected."""
        wanted = len(self.connected) + 5
        await until(lambda: len(self.connected) >= wanted, "more connections")

    async def end(self, task: asyncio.Task[None]) -> None:
        self._ending = True
        await task


async def pasted(script: str, database: Database, folder: Path, keys: str) -> tuple[int, str]:
    """What a line of the page prints, and its exit status."""
    given = {"TENDON_AUTH": "dev", "TENDON_DATABASE_URL": database.url, "TENDON_VAULT_KEYS": keys}
    own = environment(**given) | {"PATH": f"{TENDON.parent}:{os.environ['PATH']}"}

    def run() -> tuple[int, str]:
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=own, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done.returncode, (done.stdout + done.stderr).strip()

    return await asyncio.to_thread(run)


async def pass_time(database: Database) -> None:
    """As soon as the record of a key is marked, let it be so for long."""
    marked: list[Any] = []

    async def is_marked() -> bool:
        rows = await database.fetch('SELECT key_id, "check" FROM vault_key')
        marked[:] = [(key_id, check) for key_id, check in rows if check.startswith(MARKED)]
        return bool(marked)

    await until(is_marked, "a mark")
    for key_id, check in marked:
        change = 'UPDATE vault_key SET "check" = $1 WHERE key_id = $2'
        await database.fetch(change, AGED + check.split(b" ", 2)[2], key_id)


async def test_a_rotation_under_load(
    serve: Serve, own_database: Database, client: httpx.AsyncClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    load = Load(client, sandbox)
    started: list[Process] = []

    async def roll_out(keys: str) -> None:
        """Two processes, each of which takes the place of one before."""
        before = list(load.processes)
        for number in range(2):
            process = serve(database=own_database, TENDON_VAULT_KEYS=keys, TENDON_WORKER="0")
            await becomes(process.origin)
            load.processes.append(process)
            started.append(process)
            if before:
                load.processes.remove(before[number])
                assert await asyncio.to_thread(before[number].stop) == 0

    await roll_out(KEY)
    task = asyncio.create_task(load.run())
    await load.more()
    status, new = await pasted(GENERATE, own_database, tmp_path, KEY)
    assert status == 0
    await roll_out(f"{KEY} {new}")
    await load.more()
    both = f"{new} {KEY}"
    await roll_out(both)
    await load.more()
    status, told = await pasted(RESEAL, own_database, tmp_path, both)
    assert (status, told.endswith("Nothing is encrypted under other keys any more")) == (0, True), told
    (status, told), _ = await asyncio.gather(pasted(DROP, own_database, tmp_path, both), pass_time(own_database))
    assert (status, told) == (0, "dropped k1: remove it from TENDON_VAULT_KEYS")
    await roll_out(new)
    await load.more()
    await load.end(task)
    assert not any(process.logged("unready") for process in started)
    # Everything that users stored on the way opens with the new key, and nothing names the old one.
    async with open_database(own_database.url) as database:
        found = await opened(database, Vault(read_keys(new)))
    assert {key[1] for key in found if key[0] == "connection"} == set(load.connected)
    assert await own_database.fetch("SELECT key_id FROM vault_key") == [("k2",)]
    rows = [row for table in TABLES for row in await own_database.fetch(f"SELECT * FROM {table}")]
    values = [value for row in rows for value in row if isinstance(value, bytes)]
    assert not [value for value in values if b"\x02k1" in value[:5]]


async def test_a_key_that_another_process_seals_with_is_not_dropped(
    serve: Serve, own_database: Database, client: httpx.AsyncClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    """It was forgotten in the rolling update, and goes on working."""
    load = Load(client, sandbox)
    _, new = await pasted(GENERATE, own_database, tmp_path, KEY)
    forgotten = serve(database=own_database, TENDON_VAULT_KEYS=f"{KEY} {new}", TENDON_WORKER="0")
    load.processes = [forgotten]
    await load.connect()
    assert (await pasted(RESEAL, own_database, tmp_path, f"{new} {KEY}"))[0] == 0
    dropping = asyncio.create_task(pasted(DROP, own_database, tmp_path, f"{new} {KEY}"))

    async def is_marked() -> bool:
        return bool(await own_database.fetch('SELECT 1 FROM vault_key WHERE substr("check", 1, 5) = $1', MARKED))

    async def has_objected() -> bool:
        await becomes(forgotten.origin)
        return dropping.done()

    await until(is_marked, "the mark")
    # It is asked again and again whether it is ready, as by any load balancer, and objects: not at once, since it
    # answers for a moment with what it knows.
    await until(has_objected, "the objection")
    status, told = await dropping
    assert (status, told.startswith("a process still encrypts under k1: ")) == (1, True), told
    await becomes(forgotten.origin)
    await load.connect()
    assert not forgotten.logged("vault.failed")
