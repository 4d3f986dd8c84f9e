"""What a run does with the database from outside: lets a connection's day come, and searches it for tokens."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import asyncpg

from tests.torture.databases import Database, Postgres, Sqlite

# All tokens of the sandbox but those that are JSON Web Tokens, which none of the run's providers issues.
_TOKEN = re.compile(rb"[ar]t_[A-Za-z0-9_-]{32}")


async def make_due(database: Database, user: str) -> None:
    """Let the worker refresh the user's connection, as it does once a day where tokens would expire unused."""
    update = "UPDATE connection SET due_at = {now} WHERE status = 'connected' AND user_id = "
    if isinstance(database, Sqlite):
        now = "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now')"
        with closing(sqlite3.connect(database.path, timeout=10)) as session, session:
            session.execute(f"{update.format(now=now)}?", (user,))
    elif isinstance(database, Postgres):
        session = await asyncpg.connect(database.direct)
        try:
            await session.execute(f"{update.format(now='now()')}$1", user)
        finally:
            await session.close()


def files_of(database: Database) -> Iterator[Path]:
    """All files of the database, with its log and the worker's own data."""
    if isinstance(database, Sqlite):
        yield from database.path.parent.glob(f"{database.path.name}*")
    elif isinstance(database, Postgres):
        yield from (path for path in database.server.folder.rglob("*") if path.is_file())


def readable_tokens(paths: Iterator[Path], tokens: Collection[str]) -> list[str]:
    """The files in which one of the tokens stands in plain text. Files may vanish meanwhile."""
    known, found = {token.encode() for token in tokens}, list[str]()
    for path in paths:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        if known.intersection(_TOKEN.findall(content)):
            found.append(path.name)
    return found
