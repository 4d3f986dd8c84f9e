"""Backup and restore as docs/operating.md says, with its own commands, and what a restored database means for users."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.conftest import Person, begin
from tests.databases import ENGINES, Database, PostgresDatabase, SqliteFile, create_migrated_file
from tests.interfaces import Rest
from tests.postgres import PostgresServer, programs
from tests.processes import TENDON, environment
from tests.sandbox_control import Sandbox
from tests.serving.conftest import KEY, Serve

PAGE = Path("docs/operating.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Backup and restore\n")[2].partition("\n## ")[0]
PG_DUMP, PG_RESTORE, VACUUM, COPY, DISCONNECTED = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
ONCE, IN_DATABASE, GRANTS = re.findall(r"```sql\n(.*?)```", PAGE.partition("### Roles\n")[2], re.DOTALL)[:3]
SERVICE = "dev-service:operator"


@dataclass
class Site:
    """Where Tendon runs: what a script of the page is run in, and how the database is backed up and restored."""

    engine: Literal["sqlite", "postgres"]
    folder: Path
    database: Database
    restored: Database
    settings: dict[str, str]
    programs: Path
    """Those of the database."""
    hosts: dict[str, str]
    """What stands for the roles and hosts of the page."""

    def run(self, script: str, **settings: str) -> str:
        for host, own in self.hosts.items():
            script = script.replace(host, own)
        given = environment(**self.settings | settings) | {
            "PATH": f"{TENDON.parent}:{self.programs}:{os.environ['PATH']}"
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def back_up(self) -> str:
        return VACUUM if self.engine == "sqlite" else PG_DUMP

    def restore(self) -> None:
        if self.engine == "sqlite":
            self.run(COPY)
            return
        self.run(PG_RESTORE)
        self.run("tendon migrate", TENDON_DATABASE_URL=as_role(self.restored.url, "tendon_owner"))

    def export(self) -> None:
        role = {"TENDON_DATABASE_URL": as_role(self.database.url, "tendon_export")} if self.engine == "postgres" else {}
        self.run("tendon audit export --out audit-1.jsonl", **role)


def as_role(url: str, role: str) -> str:
    return re.sub(r"//\w+@", f"//{role}@", url)


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    """With the roles of the page, which a server has once."""
    own = PostgresServer(programs())
    yield own
    own.remove()


async def as_the_page_says(server: PostgresServer) -> None:
    for statement in ONCE.strip().split(";\n"):
        await execute(server.url("postgres"), statement)
    await execute(server.url("tendon"), IN_DATABASE)


async def execute(url: str, statements: str) -> None:
    session = await asyncpg.connect(url)
    try:
        await session.execute(statements)
    finally:
        await session.close()


def sqlite3() -> Path:
    """The folder with SQLite's shell. Skips the test where there is none, and fails it in CI."""
    found = shutil.which("sqlite3")
    if found is None:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("SQLite's shell is not installed here: its backup is not tested")
    return Path(found).parent


@pytest.fixture(params=ENGINES)
async def site(request: pytest.FixtureRequest, settings: dict[str, str], tmp_path: Path) -> Site:
    own = settings | {"TENDON_VAULT_KEYS": KEY}
    if request.param == "sqlite":
        file = SqliteFile(create_migrated_file(tmp_path / ".tendon" / "tendon.db"))
        return Site("sqlite", tmp_path, file, file, own | {"TENDON_DATABASE_URL": file.url}, sqlite3(), {})
    server: PostgresServer = request.getfixturevalue("server")
    await as_the_page_says(server)
    original, restored = [PostgresDatabase(as_role(server.url(name), "tendon_app")) for name in DATABASES]
    hosts = {f"{role}@db1": f"{own}@127.0.0.1:{server.port}" for role, own in ROLES.items()}
    site = Site(
        "postgres", tmp_path, original, restored, own | {"TENDON_DATABASE_URL": original.url}, programs(), hosts
    )
    await asyncio.to_thread(site.run, "tendon migrate", TENDON_DATABASE_URL=as_role(original.url, "tendon_owner"))
    await execute(as_role(original.url, "tendon_owner"), GRANTS)
    return site


DATABASES = ("tendon", "tendon_restored")
ROLES = {"tendon_owner": "tendon_owner", "postgres": "tendon"}


async def test_a_backup_is_restored(site: Site, serve: Serve, sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    process = serve(database=site.database)
    api = Rest(client, process.origin)
    kept, refreshed, left, came = [Person(f"user-{uuid4().hex}") for _ in range(4)]
    kept_id, left_id = await connect(api, sandbox, kept), await connect(api, sandbox, left)
    refreshed_id = await connect(api, sandbox, refreshed, access_life=0)
    await sandbox.settings("sandbox", account=refreshed.id, access_life=3600)
    await asyncio.to_thread(site.run, site.back_up)
    at = str(await site.database.value("SELECT max(at) FROM audit_event")).replace(" ", "T")

    # The refresh uses up the refresh token that is in the backup.
    assert (await api.issue(SERVICE, refreshed_id)).status == 200
    came_id = await connect(api, sandbox, came)
    assert (await api.disconnect(left.token, left_id, userId=left.id)).status == 200
    assert process.stop() == 0
    await asyncio.to_thread(site.export)
    await asyncio.to_thread(site.restore)

    process = serve(database=site.restored)
    api = Rest(client, process.origin)
    assert (await client.get(f"{process.origin}/readyz")).status_code == 200
    assert (await api.issue(SERVICE, kept_id)).status == 200
    lost = await api.issue(SERVICE, refreshed_id)
    assert (lost.code, lost.message) == (
        "REAUTHORIZATION_REQUIRED",
        "The provider has ended this connection. The user has to connect again.",
    )
    assert await connect(api, sandbox, refreshed) == refreshed_id
    assert (await api.issue(SERVICE, refreshed_id)).status == 200
    assert (await api.issue(SERVICE, came_id)).code == "CONNECTION_NOT_FOUND"
    assert (await api.issue(SERVICE, left_id)).status == 200
    assert (await asyncio.to_thread(site.run, DISCONNECTED.replace("2026-12-01T03:00", at))).split() == [left_id]
    assert (await api.disconnect(SERVICE, left_id, userId=left.id)).status == 200


async def connect(api: Rest, sandbox: Sandbox, person: Person, **behaviour: Any) -> str:
    if behaviour:
        await sandbox.settings("sandbox", account=person.id, **behaviour)
    callback = await begin(api, sandbox, person, account=person.id)
    return (await api.complete(person.token, **callback)).connection["id"]
