"""Gateways that a test may stop, kill and break, and exchanges that last until the test ends them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Person, begin
from tests.databases import Database, create_migrated_file
from tests.interfaces import Interface, Rest
from tests.processes import Process
from tests.proxy import Proxy
from tests.sandbox_control import Sandbox
from tests.serving.serving import Lines, is_gone, until, workers
from tests.vault_keys import vault_key

Serve = Callable[..., Process]


KEY = vault_key("k1")


@pytest.fixture
async def provider(sandbox_process: Process) -> AsyncGenerator[Proxy]:
    """The line to the sandbox's token endpoint."""
    line = Proxy(sandbox_process.port)
    await line.open()
    yield line
    await line.close()


@pytest.fixture
def catalogue(tmp_path: Path, sandbox_process: Process, provider: Proxy) -> Path:
    """In which the sandbox is asked for tokens over that line."""
    entry = (sandbox_process.folder / "catalogue" / "sandbox.toml").read_text(encoding="utf-8")
    direct, held = (f'url = "http://127.0.0.1:{port}/token"' for port in (sandbox_process.port, provider.port))
    assert direct in entry
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "sandbox.toml").write_text(entry.replace(direct, held), encoding="utf-8")
    return folder


@pytest.fixture
def serve(tmp_path: Path, settings: dict[str, str], catalogue: Path) -> Generator[Serve]:
    """Starts `tendon serve` with so many workers, by default on one SQLite file for all that a test starts; `database`
    has to be migrated. Changes of settings are given by name."""
    started: list[Process] = []

    def start(count: int = 1, *, database: Database | None = None, awaited: bool = True, **changes: str) -> Process:
        file = tmp_path / "tendon.db"
        if not file.exists():
            create_migrated_file(file)
        url = database.url if database else f"sqlite://{file}"
        usual = {"TENDON_DATABASE_URL": url, "TENDON_VAULT_KEYS": KEY, "TENDON_PROVIDER_TIMEOUT": "25"}
        usual["TENDON_CATALOGUE"] = str(catalogue)
        own = settings | usual | changes
        folder = tmp_path / f"served-{len(started)}"
        arguments = ["--workers", str(count)]
        process = Process("serve", *arguments, folder=folder, settings=own, awaited=awaited)
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        # Whether a process has ended is for the test to check. This only cleans up.
        for pid in workers(process):
            if not is_gone(pid):
                os.kill(pid, signal.SIGKILL)


class Exchanges:
    """Callbacks whose exchange has begun. The provider is asked at once, and answers when the test lets it."""

    def __init__(self, sandbox: Sandbox, client: httpx.AsyncClient, provider: Proxy) -> None:
        self._sandbox, self._client, self._provider = sandbox, client, provider
        self._begun: list[asyncio.Task[str]] = []

    async def begin(self, process: Process, person: Person, kind: type[Interface] = Rest) -> asyncio.Task[str]:
        """The task gives the status of the connection."""
        api = kind(self._client, process.origin)
        callback = await begin(api, self._sandbox, person)
        self.hold()

        async def complete() -> str:
            return (await api.complete(person.token, **callback)).connection["status"]

        self._begun.append(asyncio.create_task(complete()))
        await self.asked(callback)
        return self._begun[-1]

    async def asked(self, callback: dict[str, Any]) -> None:
        """Waits until the provider is."""

        async def is_so() -> bool:
            return len(await self._sandbox.exchanges(callback["code"])) == 1

        await until(is_so, "the exchange")

    def hold(self) -> None:
        self._provider.hold_replies()

    def end(self) -> None:
        self._provider.flow()

    def forget(self) -> None:
        for task in self._begun:
            task.cancel()


@pytest.fixture
async def lines() -> AsyncGenerator[Lines]:
    """Plain connections, closed at the end of the test."""
    opened = Lines()
    yield opened
    await opened.close()


@pytest.fixture
def exchanges(sandbox: Sandbox, client: httpx.AsyncClient, provider: Proxy) -> Generator[Exchanges]:
    begun = Exchanges(sandbox, client, provider)
    yield begun
    begun.forget()
