"""The rights that docs/operating.md gives to the role that serves are enough; those it lacks are missed clearly."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx

from tests.conftest import Person, begin, start_gateway
from tests.databases import PostgresDatabase
from tests.interfaces import Rest
from tests.postgres import PostgresServer
from tests.processes import Process, tendon
from tests.sandbox_control import Sandbox

GRANTS = re.findall(r"```sql\n(.*?)```", Path("docs/operating.md").read_text(encoding="utf-8"), re.DOTALL)


async def test_a_role_that_only_serves(
    postgres: PostgresServer,
    settings: dict[str, str],
    tmp_path: Path,
    sandbox: Sandbox,
    client: httpx.AsyncClient,
    someone: Person,
) -> None:
    database = PostgresDatabase(await postgres.create())
    await database.fetch("DO $$ BEGIN CREATE ROLE tendon_app LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    serving = settings | {"TENDON_DATABASE_URL": database.url.replace("tendon@", "tendon_app@")}
    for command in ("migrate", "serve"):
        refused = await asyncio.to_thread(tendon, command, cwd=tmp_path, settings=serving)
        assert refused.returncode == 2, command
        assert "Traceback" not in refused.stderr
    process = await asyncio.to_thread(start_gateway, tmp_path, settings, database)
    assert process.stop() == 0
    unreadable = await asyncio.to_thread(tendon, "serve", cwd=tmp_path, settings=serving)
    assert "42501): this role may not do that" in unreadable.stderr
    for statement in GRANTS[0].strip().split(";\n"):
        await database.fetch(statement)
    process = Process("serve", folder=tmp_path, settings=serving)
    api = Rest(client, process.origin)
    connection = (await api.complete(someone.token, **await begin(api, sandbox, someone))).connection
    assert (await api.connections(someone.token, userId=someone.id)).data == {"connections": [connection]}
    assert await begin(api, sandbox, someone)
    assert (await client.get(f"{process.origin}/readyz")).status_code == 200
    assert process.stop() == 0
    assert not re.search(r"fault|database.down|purge.failed", process.said)
