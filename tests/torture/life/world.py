"""What a run happens in: the sandbox, gateways and workers that share a database, and people with connections.

Each process has a catalogue of its own, in which its name is a parameter of every token request. So the sandbox's log
says who sent a request, and whether a kill can have to do with it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
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

ACCESS_LIFE = 4
PROVIDER_TIMEOUT = 1.5
QUIET = 3
# The time-out, and what the writing may take.
TIMING = Timing(lease=PROVIDER_TIMEOUT + 5, quiet=QUIET)
SENDER = "sender"


@dataclass(frozen=True, slots=True)
class Provider:
    """A process that plays providers, and is scripted as the sandbox is. `only_tokens` are those of `slugs` whose
    revocations end only the tokens of one consent; `settings` are what a gateway needs for them."""

    process: Process
    slugs: tuple[str, ...]
    only_tokens: frozenset[str]
    settings: Mapping[str, str]
    control: Callable[[httpx.AsyncClient, str], Sandbox] = Sandbox


def start_sandbox(folder: Path, catalogue: Path) -> Provider:
    """One whose revocation ends one consent, one that ends the grant, and one that is revoked by an access token."""
    arguments = ["--redirect-uri", REDIRECT_URI, "--write-catalogue", str(catalogue)]
    process = Process("sandbox", *arguments, folder=folder, settings=credentials())
    return Provider(process, ("sandbox", "fitbit", "whoop"), frozenset({"sandbox"}), credentials())


@dataclass
class World:
    client: httpx.AsyncClient
    provider: Provider
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
    folder: Path,
    database: Database,
    *,
    gateways: int = 2,
    workers: int = 1,
    instead: str | None = None,
    start: Callable[[Path, Path], Provider] = start_sandbox,
) -> AsyncGenerator[World]:
    """`instead` is a module that the gateways run in place of `tendon`. `start` starts the provider in a folder, and
    writes its entries to another one."""
    started = list[Process]()
    try:
        catalogue = folder / "catalogue"
        provider = await asyncio.to_thread(start, folder / "provider", catalogue)
        started.append(provider.process)
        keys = new_key("torture")
        settings = {**_settings(database, keys), **provider.settings}

        def own(name: str) -> dict[str, str]:
            return settings | {"TENDON_CATALOGUE": str(_catalogue_of(name, provider.slugs, catalogue, folder))}

        done = await asyncio.to_thread(tendon, "migrate", cwd=folder, settings=own("migration"))
        assert done.returncode == 0, done.stderr
        serving = [Member(name, "serve", folder, own(name), instead) for name in _names("gateway", gateways)]
        working = [Worker(name, folder, own(name)) for name in _names("worker", workers)]
        started += [*serving, *working]
        await asyncio.gather(*(asyncio.to_thread(one.await_start) for one in serving))
        async with open_client() as client:
            sandbox = provider.control(client, provider.process.origin)
            yield World(client, provider, sandbox, serving, working, database, Vault(read_keys(keys)), folder)
    finally:
        for process in started:
            process.kill()


def _names(kind: str, count: int) -> Iterable[str]:
    return [f"{kind}-{number}" for number in range(1, count + 1)]


def _catalogue_of(name: str, slugs: Iterable[str], source: Path, folder: Path) -> Path:
    """The entries as the process `name` has them."""
    own = folder / f"catalogue-{name}"
    shutil.copytree(source, own)
    for slug in slugs:
        path = own / f"{slug}.toml"
        text = re.sub(r"^(quiet|margin) = .*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        more = f'[token]\nquiet = {QUIET}\nmargin = 2\nparams = {{ {SENDER} = "{name}" }}'
        path.write_text(text.replace("[token]", more, 1), encoding="utf-8")
    return own


def _settings(database: Database, keys: str) -> dict[str, str]:
    return {
        "TENDON_AUTH": "dev",
        "TENDON_SANDBOX": "0",
        "TENDON_DATABASE_URL": database.url,
        "TENDON_REDIRECT_URIS": REDIRECT_URI,
        "TENDON_VAULT_KEYS": keys,
        "TENDON_PROVIDER_TIMEOUT": str(PROVIDER_TIMEOUT),
        "TENDON_LOG_LEVEL": "DEBUG",
    }
