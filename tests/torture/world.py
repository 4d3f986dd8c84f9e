"""What a run happens in: the sandbox behind a line that can be broken, gateways that can be killed, and a database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from models.vault import Vault, new_key, read_keys
from tests.conftest import REDIRECT_URI, credentials
from tests.processes import Process, tendon
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox
from tests.torture.calling import open_client
from tests.torture.databases import Database
from tests.torture.gateways import Gateway

# Each speaks another dialect, and each is a provider of its own for whatever the gateways count by provider.
PROVIDERS = ("sandbox", "fitbit", "strava", "whoop")
PROVIDER_TIMEOUT = 1.5
# As the claims have it: the time-out, and what the writing may take.
LEASE = PROVIDER_TIMEOUT + 5
# Codes outlive the longest run.
_CODE_LIFE = 86400


@dataclass
class World:
    client: httpx.AsyncClient
    sandbox: Sandbox
    provider: Process
    line: Proxy
    gateways: list[Gateway]
    database: Database
    vault: Vault

    async def forget(self) -> None:
        """Let the provider begin anew. Everybody who was here is done."""
        await self._direct("POST", "reset")
        for slug in PROVIDERS:
            await self.sandbox.settings(slug, code_life=_CODE_LIFE)

    async def spare(self) -> None:
        """No faults of the provider any more."""
        await self._direct("DELETE", "faults")

    async def calls(self) -> list[dict[str, Any]]:
        """What reached the token endpoints."""
        calls = (await self._direct("GET", "calls")).json()
        return [call for call in calls if call["endpoint"] == "token"]

    async def _direct(self, method: str, what: str) -> httpx.Response:
        asked = {} if method == "POST" else None
        response = await self.client.request(method, f"{self.sandbox.origin}/_control/{what}", json=asked)
        assert response.is_success, response.text
        return response


@asynccontextmanager
async def opened(
    folder: Path,
    database: Database,
    *,
    gateways: int = 3,
    workers: int = 1,
    migrated: bool = False,
    broken: bool = False,
    changes: Mapping[str, str] | None = None,
) -> AsyncGenerator[World]:
    """`changes` are further settings of the gateways. `broken` starts gateways whose claim reads first and then
    writes."""
    catalogue, started = folder / "catalogue", list[Process]()
    try:
        provider = await asyncio.to_thread(_provider, folder, catalogue)
        started.append(provider)
        line = Proxy(provider.port)
        await line.open()
        _lead_through(line, provider, catalogue)
        keys = new_key("torture")
        settings = _settings(catalogue, database, keys) | dict(changes or {})
        if not migrated:
            done = await asyncio.to_thread(tendon, "migrate", cwd=folder, settings=settings)
            assert done.returncode == 0, done.stderr
        fleet = [
            Gateway(f"gateway-{number}", folder, settings, workers=workers, broken=broken)
            for number in range(1, gateways + 1)
        ]
        started.extend(fleet)
        await asyncio.gather(*(asyncio.to_thread(gateway.await_start) for gateway in fleet))
        async with open_client() as client:
            sandbox = Sandbox(client, provider.origin)
            yield World(client, sandbox, provider, line, fleet, database, Vault(read_keys(keys)))
        await line.close()
    finally:
        for process in started:
            process.kill()


def _provider(folder: Path, catalogue: Path) -> Process:
    arguments = ["--redirect-uri", REDIRECT_URI, "--write-catalogue", str(catalogue)]
    return Process("sandbox", *arguments, folder=folder, settings=credentials())


def _lead_through(line: Proxy, provider: Process, catalogue: Path) -> None:
    """Every token endpoint is reached by the line; people and scripts go to the sandbox itself."""
    for path in catalogue.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        pattern = rf'http://127\.0\.0\.1:{provider.port}((/[\w-]+)?/token)"'
        path.write_text(re.sub(pattern, rf'http://127.0.0.1:{line.port}\1"', text), encoding="utf-8")


def _settings(catalogue: Path, database: Database, keys: str) -> dict[str, str]:
    return credentials() | {
        "TENDON_AUTH": "dev",
        "TENDON_SANDBOX": "0",
        "TENDON_CATALOGUE": str(catalogue),
        "TENDON_DATABASE_URL": database.url,
        "TENDON_REDIRECT_URIS": REDIRECT_URI,
        "TENDON_VAULT_KEYS": keys,
        "TENDON_PROVIDER_TIMEOUT": str(PROVIDER_TIMEOUT),
    }
