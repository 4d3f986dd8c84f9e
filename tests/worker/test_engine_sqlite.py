"""The lock that only one worker on an SQLite database has."""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path

import pytest

from worker.engine_sqlite import EngineRefused, has_worker, only_worker


async def test_one_worker_has_the_lock(tmp_path: Path) -> None:
    database = str(tmp_path / "tendon.db")
    assert not has_worker(database)
    async with only_worker(database, asyncio.Event()) as alone:
        assert (alone, has_worker(database)) == (True, True)
        told_to_stop = asyncio.Event()
        told_to_stop.set()
        async with only_worker(database, told_to_stop) as second:
            assert not second
    assert not has_worker(database)


async def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """In a folder in which others may write, it would create a file, or lock one, anywhere."""
    database, target = str(tmp_path / "tendon.db"), tmp_path / "target"
    (tmp_path / "tendon.db-worker.lock").symlink_to(target)
    with pytest.raises(EngineRefused, match=r"tendon\.db-worker\.lock is a link: find out who made it, and remove it"):
        async with only_worker(database, asyncio.Event()):
            pass
    assert not target.exists()
    with target.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not has_worker(database)


async def test_a_lock_that_can_not_be_opened(tmp_path: Path) -> None:
    (tmp_path / "tendon.db-worker.lock").mkdir()
    with pytest.raises(EngineRefused, match=r"can't be opened \(Is a directory\): let this user read and write it"):
        async with only_worker(str(tmp_path / "tendon.db"), asyncio.Event()):
            pass
