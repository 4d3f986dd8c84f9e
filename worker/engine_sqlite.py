"""The engine's file beside an SQLite database, and the lock that only one worker has."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import structlog

log = structlog.get_logger("tendon")

# Seconds between two attempts to get the lock.
_RETRY: Final = 0.25
# Seconds for which a statement waits for a lock in the file.
_BUSY: Final = 30


class EngineRefused(Exception):
    """The engine can't be started, and trying again doesn't help. The message says what to do."""


def engine_file(path: str) -> Path:
    """The engine's file. If the database is a link, it is beside the target."""
    return Path(f"{Path(path).resolve()}-worker")


def _lock_file(path: str) -> str:
    return f"{engine_file(path)}.lock"


@asynccontextmanager
async def only_worker(path: str, stop: asyncio.Event) -> AsyncGenerator[bool]:
    """Waits until no other worker uses the database. False if `stop` was set before that. The system releases the lock
    when this process ends, however it ends. Raises EngineRefused."""
    name = _lock_file(path)
    try:
        # A link would let whoever put it there decide which file is created and locked.
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            raise EngineRefused(f"{name} is a link: find out who made it, and remove it") from None
        raise EngineRefused(f"{name} can't be opened ({fault.strerror}): let this user read and write it") from None
    try:
        yield await _acquire(lock, stop)
    finally:
        os.close(lock)


async def _acquire(lock: int, stop: asyncio.Event) -> bool:
    waits = False
    while not stop.is_set():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not waits:
                log.info("work.waiting", reason="another worker uses this SQLite database")
            waits = True
            await asyncio.sleep(_RETRY)
        else:
            return True
    return False


def has_worker(path: str) -> bool:
    """Whether a worker uses the database."""
    try:
        lock = os.open(_lock_file(path), os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            # No worker starts with it.
            return False
        raise
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def new_engine_file(path: str) -> Path:
    """Create the engine's file, empty. What the last worker left in it isn't needed: whatever is due is still due."""
    file = engine_file(path)
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(file)) as session:
        # Otherwise writers would block readers. The file keeps this mode.
        session.execute("PRAGMA journal_mode = wal")
    return file


def connect(file: Path) -> Any:
    session = sqlite3.connect(file, timeout=_BUSY, check_same_thread=False)
    # A new worker starts with a new file, so nothing has to survive a power failure.
    session.execute("PRAGMA synchronous = off")
    return session
