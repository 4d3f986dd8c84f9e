"""What a run happens in: the sandbox, gateways and workers that share a database, and people with connections.

Each process has a catalogue of its own, in which its name is a parameter of every token request. So the sandbox's log
says who sent a request, and whether a kill can have to do with it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from models.vault import Vault, new_key, read_keys
from tests.conftest import REDIRECT_URI, credentials
from tests.processes import Process, tendon
from tests.sandbox_control import Sandbox
from tests.torture.calling import open_client
from tests.torture.databases import Database
from tests.torture.life.fleet import Member, Worker
from tests.torture.life.record import Timing

PROVIDERS = ("sandbox", "fitbit", "whoop")
ONLY_TOKENS = frozenset({"sandbox"})
"""Those whose revocations end only the tokens of one consent."""
ACCESS_LIFE = 4
PROVIDER_TIMEOUT = 1.5
QUIET = 1
# The time-out, and what the writing may take.
TIMING = Timing(lease=PROVIDER_TIMEOUT + 5, quiet=QUIET)
SENDER = "sender"


@dataclass
class World:
    client: httpx.AsyncClient
    sandbox: Sandbox
    gateways: list[Member]
    workers: list[Worker]
    database: Database
    vault: Vault
    folder: Path

    @property
    def processes(self) -> list[Member]:
        return [*self.gateways, *self.workers]

    async def control(self, method: str, what: str) -> Any:
        body = {} if method == "POST" else None
        response = await self.client.request(method, f"{self.sandbox.origin}/_control/{what}", json=body)
        assert response.is_success, response.text
        return response.json() if method == "GET" else None


@asynccontextmanager
async def opened(
    folder: Path, database: Database, *, gateways: int = 2, workers: int = 1, instead: str | None = None
) -> AsyncGenerator[World]:
    """`instead` is a module that the gateways run in place of `tendon`."""
    started = list[Process]()
    try:
        catalogue = folder / "catalogue"
        arguments = ["--redirect-uri", REDIRECT_URI, "--write-catalogue", str(catalogue)]
        provider = await asyncio.to_thread(
            lambda: Process("sandbox", *arguments, folder=folder / "provider", settings=credentials())
        )
        started.append(provider)
        keys = new_key("torture")
        settings = _settings(database, keys)

        def own(name: str) -> dict[str, str]:
            return settings | {"TENDON_CATALOGUE": str(_catalogue_of(name, catalogue, folder))}

        done = await asyncio.to_thread(tendon, "migrate", cwd=folder, settings=own("migration"))
        assert done.returncode == 0, done.stderr
        serving = [Member(name, "serve", folder, own(name), instead) for name in _names("gateway", gateways)]
        working = [Worker(name, folder, own(name)) for name in _names("worker", workers)]
        started += [*serving, *working]
        await asyncio.gather(*(asyncio.to_thread(one.await_start) for one in serving))
        async with open_client() as client:
            sandbox = Sandbox(client, provider.origin)
            yield World(client, sandbox, serving, working, database, Vault(read_keys(keys)), folder)
    finally:
        for process in started:
            process.kill()


def _names(kind: str, count: int) -> Iterable[str]:
    return [f"{kind}-{number}" for number in range(1, count + 1)]


def _catalogue_of(name: str, source: Path, folder: Path) -> Path:
    """The entries as the process `name` has them."""
    own = folder / f"catalogue-{name}"
    shutil.copytree(source, own)
    for slug in PROVIDERS:
        path = own / f"{slug}.toml"
        text = re.sub(r"^(quiet|margin) = .*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        more = f'[token]\nquiet = {QUIET}\nmargin = 2\nparams = {{ {SENDER} = "{name}" }}'
        path.write_text(text.replace("[token]", more, 1), encoding="utf-8")
    return own


def _settings(database: Database, keys: str) -> dict[str, str]:
    return credentials() | {
        "TENDON_AUTH": "dev",
        "TENDON_SANDBOX": "0",
        "TENDON_DATABASE_URL": database.url,
        "TENDON_REDIRECT_URIS": REDIRECT_URI,
        "TENDON_VAULT_KEYS": keys,
        "TENDON_PROVIDER_TIMEOUT": str(PROVIDER_TIMEOUT),
        "TENDON_LOG_LEVEL": "DEBUG",
    }
