"""A folder of another user."""

from __future__ import annotations

import asyncio
import codecs
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.database import open_database
from models.migrating import migrate


@pytest.fixture
async def _loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another user may not be able to read the modules that are loaded on first use."""
    codecs.lookup("ascii")
    url = f"sqlite://{tmp_path_factory.mktemp('loaded')}/tendon.db"
    await migrate(url)
    await _open(url)


@pytest.fixture
def nobodys_folder(_loaded: None) -> Iterator[Path]:
    """The test runs as a user other than root, in a folder of that user."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as two users")
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, 65534, 65534)
        os.seteuid(65534)
        yield Path(name)
        os.seteuid(0)


async def _open(url: str) -> None:
    async with asyncio.timeout(5), open_database(url):
        pass
