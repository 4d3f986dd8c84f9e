"""Gateways that a test may drain, kill and break: each with a folder of its own, none left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import Person, begin
from tests.databases import Database
from tests.interfaces import Interface, Rest
from tests.processes import Process, free_port, tendon
from tests.sandbox_control import Sandbox
from tests.serving.serving import is_gone, until, workers

Serve = Callable[..., Process]
Exchange = Callable[..., Awaitable[asyncio.Task[str]]]

# Bytes that are easily told from another key's.
KEY = "k1:" + "A" * 43 + "="


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file to copy."""
    folder = tmp_path_factory.mktemp("migrated")
    run = tendon("migrate", cwd=folder, settings={"TENDON_DATABASE_URL": f"sqlite://{folder}/tendon.db"})
    assert run.returncode == 0, run.stderr
    return folder / "tendon.db"


@pytest.fixture
def serve(tmp_path: Path, settings: dict[str, str], migrated_file: Path) -> Generator[Serve]:
    """Starts `tendon serve` with so many workers, by default on one SQLite file for all that a test starts; `database`
    has to be migrated. Changes of settings are given by name."""
    started: list[Process] = []

    def start(count: int = 1, *, database: Database | None = None, awaited: bool = True, **changes: str) -> Process:
        file = tmp_path / "tendon.db"
        if not file.exists():
            shutil.copy(migrated_file, file)
        url = database.url if database else f"sqlite://{file}"
        usual = {"TENDON_DATABASE_URL": url, "TENDON_VAULT_KEYS": KEY, "TENDON_PROVIDER_TIMEOUT": "25"}
        own = settings | usual | changes
        folder = tmp_path / f"served-{len(started)}"
        arguments = ["--workers", str(count)]
        process = Process("serve", *arguments, folder=folder, settings=own, port=free_port(), awaited=awaited)
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        # What a test expects to be gone is looked at by the test. Here it is only cleaned up.
        for pid in workers(process):
            if not is_gone(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def exchange(sandbox: Sandbox, client: httpx.AsyncClient) -> Exchange:
    """Brings a person's callback so far that the provider is being asked, which takes it so many seconds. The task
    gives the status of the connection."""

    async def start(
        process: Process, person: Person, seconds: float, kind: type[Interface] = Rest
    ) -> asyncio.Task[str]:
        api = kind(client, process.origin)
        callback = await begin(api, sandbox, person)
        await sandbox.fault("sandbox", "slow", seconds=seconds)

        async def complete() -> str:
            return (await api.complete(person.token, **callback)).connection["status"]

        async def asked() -> bool:
            return len(await sandbox.exchanges(callback["code"])) == 1

        task = asyncio.create_task(complete())
        await until(asked, "the exchange")
        return task

    return start
