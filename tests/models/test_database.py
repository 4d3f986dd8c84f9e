"""Opening a database: what cannot be opened, and the settings of its connections."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from models.database import DatabaseDown, open_database
from models.engine import Script, Step
from models.migrating import migrate


async def test_what_can_not_be_opened_says_so_at_once(tmp_path: Path) -> None:
    """And is not in the way of what is opened next."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("this is no database, and it is longer than a header of one\n" * 20)
    for name, fault in (("folder", IsADirectoryError), ("text", DatabaseDown)):
        with pytest.raises(fault):
            await _open(f"sqlite://{tmp_path}/{name}")
    await migrate(f"sqlite://{tmp_path}/tendon.db")


async def _open(url: str) -> None:
    async with asyncio.timeout(60), open_database(url):
        pass


SETTINGS = {
    "journal_mode": "wal",
    "journal_size_limit": 16384,
    "foreign_keys": 1,
    "busy_timeout": 5000,
    "synchronous": 2,
}


async def test_settings_of_the_connection(tmp_path: Path) -> None:
    async with open_database(f"sqlite://{tmp_path}/tendon.db") as database:
        for pragma, value in SETTINGS.items():
            for writes in (False, True):
                rows = await database.run(Script((Step(f"PRAGMA {pragma}", ()),), writes), {})
                # The thread that writes waits for locks by itself.
                expected = 0 if writes and pragma == "busy_timeout" else value
                assert rows == [(expected,)], pragma
