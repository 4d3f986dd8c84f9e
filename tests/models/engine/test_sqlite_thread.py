"""Writers of one process on one SQLite file: those that wait at the same time share a COMMIT."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread, current_thread, main_thread
from typing import Any

import pytest

from models.database import Database, DatabaseDown, Limits
from models.engine import SqliteUrl
from models.engine.sqlite import SqliteDatabase
from models.statement import Statement
from tests.databases import create_migrated_file
from tests.models.engine.promises import COUNT, PATIENCE, note, sql

SECONDS = 10
LIMIT_SIZE = Statement("PRAGMA max_page_count = 100")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return create_migrated_file(tmp_path / "tendon.db")


class Clock:
    """Moves only when the test says so, and knows who has looked at it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._looks = Counter[Thread]()

    def __call__(self) -> float:
        self._looks[current_thread()] += 1
        return self.now

    async def watched(self, *, by_loop: bool = False) -> None:
        """Until the thread that writes, or else the event loop's, has looked at it twice from now on: it waits for the
        lock, and has tried once more."""
        before = self._count(by_loop)
        async with asyncio.timeout(PATIENCE):
            while self._count(by_loop) < before + 2:  # noqa: ASYNC110 - a thread has no event for it
                await asyncio.sleep(0.001)

    def _count(self, by_loop: bool) -> int:
        loop = self._looks[main_thread()]
        return loop if by_loop else self._looks.total() - loop


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(path: Path, clock: Clock) -> AsyncGenerator[Database]:
    """Seconds mean nothing here, since the clock stands."""
    faults: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    database = SqliteDatabase(SqliteUrl(str(path)), Limits(seconds=SECONDS), clock=clock)
    yield database
    await database.close()
    loop.set_exception_handler(None)
    assert faults == []


async def begin(*writes: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Requested in this order by the end of it."""
    tasks = [asyncio.create_task(write) for write in writes]
    await asyncio.sleep(0)
    return tasks


async def finished(tasks: Iterable[asyncio.Task[None]]) -> list[BaseException | None]:
    async with asyncio.timeout(PATIENCE):
        return await asyncio.gather(*tasks, return_exceptions=True)


def names(path: Path) -> list[str]:
    """Of what was written, in its order."""
    with closing(sqlite3.connect(path, isolation_level=None)) as outside:
        return [name for (name,) in outside.execute("SELECT request_id FROM audit_event ORDER BY id")]


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Another process has the write lock meanwhile."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)) as outside:
        outside.execute("BEGIN IMMEDIATE")
        yield
        outside.execute("ROLLBACK")


def commits(path: Path) -> int:
    """In the write-ahead log: https://www.sqlite.org/fileformat2.html#walformat."""
    log = path.with_name(f"{path.name}-wal").read_bytes()
    frame = 24 + int.from_bytes(log[8:12])
    heads = [log[start : start + 24] for start in range(32, len(log), frame)]
    return sum(1 for head in heads if head[8:16] == log[16:24] and any(head[4:8]))


async def test_writes_that_wait_together_share_a_commit(path: Path, database: Database, clock: Clock) -> None:
    await note(database, "before")
    before = commits(path)
    with locked(path):
        first = await begin(note(database, "first"))
        await clock.watched()
        others = await begin(*(note(database, f"{number:02}") for number in range(40)))
    assert await finished(first + others) == [None] * 41
    assert names(path) == ["before", "first", *(f"{number:02}" for number in range(40))]
    assert commits(path) - before == 2


async def test_no_more_than_sixty_four_share_a_commit(path: Path, database: Database, clock: Clock) -> None:
    """The first of them waits for the last."""
    await note(database, "before")
    before = commits(path)
    with locked(path):
        first = await begin(note(database, "first"))
        await clock.watched()
        others = await begin(*(note(database, f"{number:03}") for number in range(129)))
    await finished(first + others)
    assert commits(path) - before == 4
    assert len(names(path)) == 131


async def test_a_task_that_is_cancelled_before_its_turn_writes_nothing(
    path: Path, database: Database, clock: Clock
) -> None:
    with locked(path):
        (begun,) = await begin(note(database, "begun"))
        await clock.watched()
        waiting, staying = await begin(note(database, "waiting"), note(database, "staying"))
        begun.cancel()
        waiting.cancel()
        await asyncio.sleep(0)
    assert await finished([staying]) == [None]
    # The thread was at it already, and finishes it.
    assert names(path) == ["begun", "staying"]


async def test_waiting_for_a_lock_is_bounded_for_all_in_the_queue(path: Path, database: Database, clock: Clock) -> None:
    """By twice the limit: once for the turn, and once for the lock."""
    with locked(path):
        first = await begin(note(database, "first"))
        await clock.watched()
        others = await begin(*(note(database, f"{number}") for number in range(200)))
        clock.now = SECONDS - 1
        await clock.watched()
        assert not any(task.done() for task in first + others)
        clock.now = SECONDS
        failed = await finished(first)
        await clock.watched()
        assert not any(task.done() for task in others)
        clock.now = 2 * SECONDS
        failed += await finished(others)
        assert {(type(one), str(one), getattr(one, "in_doubt", None)) for one in failed} == {
            (DatabaseDown, "SQLITE_BUSY", False)
        }
        # Each task raises an exception of its own.
        assert len({id(one) for one in failed}) == 201
        # Readers don't wait for writers.
        assert await COUNT.row(database) == (0,)
    await note(database, "afterwards")
    assert names(path) == ["afterwards"]


async def test_who_comes_last_into_a_shared_commit_has_the_whole_limit(
    path: Path, database: Database, clock: Clock
) -> None:
    """Although the others of the same COMMIT have waited for twice the limit by then."""
    with locked(path):
        first = await begin(note(database, "first"))
        await clock.watched()
        # One more than can share a COMMIT.
        others = await begin(*(note(database, f"{number:02}") for number in range(65)))
        clock.now = SECONDS
        await finished(first)
        await clock.watched()
        clock.now = 1.5 * SECONDS
        late = await begin(note(database, "late"))
        clock.now = 2 * SECONDS
        await finished(others[:64])
        await clock.watched()
        clock.now = 3 * SECONDS - 0.1
        await clock.watched()
    assert await finished([*others[64:], *late]) == [None, None]
    assert names(path) == ["64", "late"]


async def test_who_comes_last_is_not_waited_for_longer_than_the_limit(
    path: Path, database: Database, clock: Clock
) -> None:
    with locked(path):
        late = await begin(note(database, "late"))
        await clock.watched()
        clock.now = SECONDS
        assert [str(one) for one in await finished(late)] == ["SQLITE_BUSY"]


async def test_an_exclusive_transaction_waits_for_the_lock_as_long(
    path: Path, database: Database, clock: Clock
) -> None:
    waits: list[str] = []
    with locked(path):
        clock.now = 100
        tried = asyncio.create_task(_enter(database, lambda: waits.append("waits")))
        await clock.watched(by_loop=True)
        clock.now = 100 + SECONDS - 0.1
        await clock.watched(by_loop=True)
        assert not tried.done()
        clock.now = 100 + SECONDS
        assert [str(one) for one in await finished([tried])] == ["SQLITE_BUSY"]
    assert waits == ["waits"]
    assert await finished([asyncio.create_task(_enter(database, lambda: waits.append("again")))]) == [None]
    assert waits == ["waits"]


async def _enter(database: Database, on_wait: Callable[[], object]) -> None:
    async with database.exclusively(1, on_wait):
        pass


async def test_an_exclusive_transaction_without_a_limit_waits_on(path: Path, clock: Clock) -> None:
    """As migrations do."""
    database = SqliteDatabase(SqliteUrl(str(path)), Limits(seconds=None), clock=clock)
    waits: list[str] = []
    with locked(path):
        entering = asyncio.create_task(_enter(database, lambda: waits.append("waits")))
        await clock.watched(by_loop=True)
        clock.now = 1_000_000
        await clock.watched(by_loop=True)
        assert not entering.done()
    assert await finished([entering]) == [None]
    await database.close()


async def test_one_of_a_batch_does_not_fit(path: Path, database: Database, clock: Clock) -> None:
    """The others are written all the same."""
    await LIMIT_SIZE.rows(database)
    with locked(path):
        first = await begin(note(database, "0"))
        await clock.watched()
        small = await begin(*(note(database, f"{number}") for number in range(1, 3)))
        large = await begin(note(database, "large", "x" * 1_000_000))
        rest = await begin(*(note(database, f"{number}") for number in range(3, 6)))
    assert await finished(first + small + rest) == [None] * 6
    with pytest.raises(DatabaseDown, match="SQLITE_FULL") as raised:
        await large[0]
    assert not raised.value.in_doubt
    assert sorted(names(path)) == [f"{number}" for number in range(6)]


async def test_closing_waits_for_the_whole_queue(path: Path, database: Database) -> None:
    tasks = await begin(*(note(database, f"{number:03}") for number in range(150)))
    await database.close()
    assert await finished(tasks) == [None] * 150
    assert len(names(path)) == 150


async def test_a_read_that_fails_alone_fails(database: Database) -> None:
    reads = [COUNT.rows(database), sql(database, "SELECT wrong"), COUNT.rows(database)]
    good, bad, also_good = await asyncio.gather(*reads, return_exceptions=True)
    assert (good, also_good) == ([(0,)], [(0,)])
    assert str(bad) == "SQLITE_ERROR"


def test_a_write_whose_loop_is_closed_ends_quietly(path: Path, clock: Clock) -> None:
    """The thread is at it, and nobody waits for it any more. It goes on, and ends when it is closed."""

    async def leave(database: Database) -> None:
        await begin(note(database, "left"))
        await clock.watched()

    database = SqliteDatabase(SqliteUrl(str(path)), Limits(), clock=clock)
    with locked(path):
        asyncio.run(leave(database))
    asyncio.run(database.close())
    assert names(path) == ["left"]


async def test_an_exclusive_transaction_takes_the_write_lock_before_it_reads(path: Path, database: Database) -> None:
    """SQLite refuses to turn a reader into a writer when another has written in between."""
    async with database.exclusively(1) as transaction:
        assert await COUNT.row(transaction) == (0,)
        with (
            closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as outside,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            outside.execute("CREATE TABLE written_in_between (x)")
        await note(transaction, "then write")
    assert names(path) == ["then write"]


FULL_DISK = """
import asyncio, resource, sys
from models.database import DatabaseDown, Limits, open_database
from models.engine import connect, parse_url
from models.statement import Statement

NOTE = Statement('''INSERT INTO audit_event (at, action, provider, scopes, outcome, request_id)
    VALUES (now(), 'test', 'oura', '[]', :text, 'x') RETURNING id''')

async def note_exclusively(database):
    async with database.exclusively(1) as transaction:
        await NOTE.rows(transaction, text="x" * 200_000)

async def limited(size, *attempts):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    results = await asyncio.gather(*attempts, return_exceptions=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    return [f"{type(one).__name__} {one} {one.in_doubt}" if isinstance(one, DatabaseDown) else type(one).__name__
        for one in results]

async def main(url):
    async with open_database(url) as database:
        await NOTE.rows(database, text="ok")
        for attempts in (
            [NOTE.rows(database, text="x" * 70_000) for _ in range(20)],
            [note_exclusively(database)],
        ):
            print(sorted(set(await limited(64 * 1024, *attempts))))
            print(*await Statement("SELECT count(*) FROM audit_event").row(database))
            async with asyncio.timeout(20):
                await NOTE.rows(database, text="ok")
        print(*await Statement("SELECT count(*) FROM audit_event").row(database))
        # The thread takes the first alone. The others are together, until one of them fails.
        texts = ["ok", "ok", None, "x" * 2_000_000, "x" * 2_000_000]
        print(await limited(512 * 1024, *(NOTE.rows(database, text=text) for text in texts)))
        print(*await Statement("SELECT count(*) FROM audit_event").row(database))
    # A database that is not closed must not keep the process from its end.
    await NOTE.rows(connect(parse_url(url), Limits()), text="ok")

asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_at_the_commit(path: Path) -> None:
    """Fails for all that share the COMMIT, nothing of theirs is written, and it works again when there is space.

    The process ends, although one of its databases is still open.
    """
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, f"sqlite://{path}"], capture_output=True, text=True, timeout=60, check=False
    )
    failed = "DatabaseDown SQLITE_IOERR_WRITE True"
    alone = ["list", "list", "Violation", failed, failed]
    assert done.stdout.splitlines() == [f"['{failed}']", "1", f"['{failed}']", "2", "3", str(alone), "5"], done.stderr
