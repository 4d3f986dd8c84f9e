"""Opens the database. The code that starts a process calls this, and passes the database to all that run statements."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from models.engine import Database, DatabaseDown, Limits, Session, SqliteUrl, UnsupportedDatabase, connect, parse_url
from models.file_modes import make_own_folder_private, make_private

__all__ = ["Database", "DatabaseDown", "Limits", "Session", "UnsupportedDatabase", "open_database"]

_DEFAULT: Final = Limits()


@asynccontextmanager
async def open_database(url: str, limits: Limits = _DEFAULT) -> AsyncGenerator[Database]:
    """The database, open while the block runs.

    An SQLite file is opened at once, which may raise DatabaseDown and OSError, including ReadableByOthers. PostgreSQL
    is connected to on demand.
    """
    parsed = parse_url(url)
    if isinstance(parsed, SqliteUrl):
        _prepare_file(Path(parsed.path))
    database = connect(parsed, limits)
    try:
        if isinstance(parsed, SqliteUrl):
            await database.ping()
        yield database
    finally:
        await database.close()


def _prepare_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_own_folder_private(path.parent)
    if path.is_dir():
        raise IsADirectoryError
    # Created here so that, whatever the umask is, other users of the machine can never read health data.
    path.touch(mode=0o600)
    if not _is_database(path):
        # The path is probably mistyped, so the mode of that file is left unchanged.
        return
    # The write-ahead log and its index contain the same data. If the path is a link, they are beside its target.
    for suffix in ("", "-wal", "-shm"):
        make_private(Path(f"{path.resolve()}{suffix}"))


def _is_database(path: Path) -> bool:
    """Whether SQLite would open it: it is empty, or starts with the header of SQLite's file format (section 1.3)."""
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")
