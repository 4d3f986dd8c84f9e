from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from benchmarks.peers.floor_commits import Alone, Commits, Rows, Together


@pytest.fixture
def session(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "floor.db", isolation_level=None)) as opened:
        opened.execute("CREATE TABLE written (number INTEGER PRIMARY KEY)")
        yield opened


def _write(session: sqlite3.Connection, number: int) -> Rows:
    return session.execute("INSERT INTO written VALUES (?) RETURNING number", (number,)).fetchall()


async def _written(session: sqlite3.Connection, commits: Commits, *numbers: int) -> tuple[list[object], int]:
    """What tasks get that each write one of the numbers at the same time, and how many COMMITs that takes."""
    statements: list[str] = []

    async def write(number: int) -> Rows:
        return await commits.run(session, partial(_write, session, number))

    session.set_trace_callback(statements.append)
    got = await asyncio.gather(*map(write, numbers), return_exceptions=True)
    session.set_trace_callback(None)
    return list(got), statements.count("COMMIT")


async def test_writes_at_the_same_time_share_a_commit(session: sqlite3.Connection) -> None:
    assert await _written(session, Together(), 1, 2, 3) == ([[(1,)], [(2,)], [(3,)]], 1)


async def test_the_next_writes_have_a_commit_of_their_own(session: sqlite3.Connection) -> None:
    commits = Together()
    await _written(session, commits, 1, 2)
    assert await _written(session, commits, 3, 4) == ([[(3,)], [(4,)]], 1)


async def test_each_write_may_have_its_own_commit(session: sqlite3.Connection) -> None:
    assert await _written(session, Alone(), 1, 2, 3) == ([[(1,)], [(2,)], [(3,)]], 3)


async def test_a_group_of_which_one_fails_is_not_committed_and_the_next_one_is(session: sqlite3.Connection) -> None:
    commits = Together()
    got, committed = await _written(session, commits, 1, 1)
    assert [type(one) for one in got] == [sqlite3.IntegrityError] * 2
    assert committed == 0
    assert await _written(session, commits, 1, 2) == ([[(1,)], [(2,)]], 1)
