"""A full dump of the database after `tendon forget`: neither the user's id nor the provider's id of the user is in it,
in any spelling."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.conftest import Person, begin, start_gateway
from tests.databases import Database, SqliteFile
from tests.flow.test_leaks import spellings
from tests.interfaces import GraphQL, Interface, Rest
from tests.postgres import programs
from tests.processes import Process, tendon
from tests.sandbox_control import Sandbox


@pytest.fixture
def watched(tmp_path: Path, settings: dict[str, str], own_database: Database) -> Generator[Process]:
    process = start_gateway(tmp_path, settings, own_database)
    yield process
    process.kill()


def dump(database: Database) -> bytes:
    """What somebody gets who may read everything; of SQLite, the unused parts of its files, too."""
    if isinstance(database, SqliteFile):
        return b"".join(path.read_bytes() for path in sorted(database.path.parent.glob(f"{database.path.name}*")))
    command = [programs() / "pg_dump", "--dbname", database.url.replace("postgres:", "postgresql:")]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


def found(names: list[str], content: bytes) -> list[str]:
    return [name for name in names if any(spelling in content for spelling in spellings(name))]


async def use(api: Interface, sandbox: Sandbox, person: Person, account: str) -> None:
    """All that leaves something in the database."""
    for slug in ("sandbox", "fitbit", "oura"):
        callback = await begin(api, sandbox, person, slug, account=account)
        connection = (await api.complete(person.token, **callback)).connection
        await api.complete(person.token, **callback)
        await api.complete(person.token, **callback | {"code": "another"})
        await api.issue("dev-service:etl", connection["id"])
        await api.connections("dev-service:etl", userId=person.id)
        if slug == "fitbit":
            await api.disconnect(person.token, connection["id"], userId=person.id)
    await begin(api, sandbox, person, account=account)


async def test_a_dump_has_no_trace_of_a_user(
    watched: Process,
    sandbox: Sandbox,
    client: httpx.AsyncClient,
    settings: dict[str, str],
    own_database: Database,
    someone: Person,
    another: Person,
) -> None:
    accounts = [f"account-{uuid4().hex}" for _ in range(2)]
    for person, account in zip((someone, another), accounts, strict=True):
        for kind in (Rest, GraphQL):
            await use(kind(client, watched.origin), sandbox, person, account)
    names = [someone.id, accounts[0]]
    kept = [another.id, accounts[1]]
    assert found([*names, *kept], await asyncio.to_thread(dump, own_database)) == [*names, *kept]
    own = settings | {"TENDON_DATABASE_URL": own_database.url}
    done = await asyncio.to_thread(tendon, "forget", someone.id, "--json", cwd=watched.folder, settings=own)
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert (receipt["ok"], receipt["removed"]["connections"]) == (True, 3)
    assert found(names, (done.stdout + done.stderr).encode()) == []
    assert found([*names, *kept], await asyncio.to_thread(dump, own_database)) == kept
    # Neither does the process write anything when it ends, nor has it logged anything.
    assert watched.stop() == 0
    assert found([*names, *kept], await asyncio.to_thread(dump, own_database)) == kept
    assert found(names, watched.log.read_bytes()) == []
