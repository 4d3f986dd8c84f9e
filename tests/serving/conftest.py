"""Gateways that a test may stop, kill and break."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.databases import Database, create_migrated_file
from tests.processes import Process
from tests.serving.serving import Lines, is_gone, workers
from tests.vault_keys import vault_key

Serve = Callable[..., Process]


KEY = vault_key("k1")


@pytest.fixture
def serve(tmp_path: Path, settings: dict[str, str], catalogue: Path) -> Generator[Serve]:
    """Starts `tendon serve` with so many workers, by default on one SQLite file for all that a test starts; `database`
    has to be migrated. Changes of settings are given by name."""
    started: list[Process] = []

    def start(
        count: int = 1,
        *,
        database: Database | None = None,
        awaited: bool = True,
        fresh: bool = False,
        **changes: str,
    ) -> Process:
        file = tmp_path / "tendon.db"
        if not file.exists():
            create_migrated_file(file)
        url = database.url if database else f"sqlite://{file}"
        usual = {"TENDON_DATABASE_URL": url, "TENDON_VAULT_KEYS": KEY, "TENDON_PROVIDER_TIMEOUT": "25"}
        usual["TENDON_CATALOGUE"] = str(catalogue)
        own = settings | usual | changes
        folder = tmp_path / f"served-{len(started)}"
        arguments = ["--workers", str(count)]
        process = Process("serve", *arguments, folder=folder, settings=own, awaited=awaited, fresh=fresh)
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


@pytest.fixture
async def lines() -> AsyncGenerator[Lines]:
    """Plain connections, closed at the end of the test."""
    opened = Lines()
    yield opened
    await opened.close()
