"""Exports of the audit trail on each engine: one after the other, several at once, and beside open transactions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.audit_chain import BrokenChain, Chain, Link
from gateway.audit_export import Exported, export_again, export_new
from gateway.audit_output import ExportError, Output, open_file
from models.audit_event import record
from models.audit_export import NONE_YET, StoredExport, all_exports
from models.database import Database, open_database
from tests.conftest import new_database
from tests.databases import Database as Outside
from tests.databases import PostgresDatabase
from tests.models.flows import entry
from tests.postgres import PostgresServer

PATIENCE = 60.0
INSERT = """INSERT INTO audit_event (at, action, scopes, outcome, request_id)
    VALUES (now(), 'read', '[]', 'ok', 'held')"""


class Trail:
    """A database and the folder of its exports."""

    def __init__(self, database: Database, outside: Outside, folder: Path) -> None:
        self.database = database
        self.outside = outside
        self.folder = folder

    async def add(self, count: int = 1) -> None:
        for _ in range(count):
            await record(self.database, entry())

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"

    async def export(self, name: str = "a", patience: float = PATIENCE) -> Exported:
        with open_file(self.file(name)) as output:
            return await export_new(self.database, output, patience)

    async def again(self, after: int, name: str = "again") -> Exported:
        with open_file(self.file(name)) as output:
            return await export_again(self.database, output, after)

    def ids(self, *names: str) -> list[int]:
        """Of the events in these files, which must form a chain."""
        chain, found = Chain(), list[int]()
        for name in names:
            for line in self.file(name).read_bytes().splitlines(keepends=True):
                chain.add(line)
                found += [event["id"]] if (event := json.loads(line).get("event")) else []
            chain.end_file()
        return found

    async def stored_ids(self) -> list[int]:
        return [id_ for (id_,) in await self.outside.fetch("SELECT id FROM audit_event ORDER BY id")]


@pytest.fixture
async def trail(own_database: Outside, tmp_path: Path) -> AsyncGenerator[Trail]:
    async with open_database(own_database.url) as database:
        (tmp_path / "exports").mkdir()
        yield Trail(database, own_database, tmp_path / "exports")


@pytest.fixture
async def any_trail(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Trail]:
    """On one engine, for what does not depend on it."""
    outside = await new_database(request, tmp_path, "sqlite")
    async with open_database(outside.url) as database:
        (tmp_path / "exports").mkdir()
        yield Trail(database, outside, tmp_path / "exports")


async def test_exports_continue_each_other(trail: Trail) -> None:
    await trail.add(3)
    first = await trail.export("a")
    await trail.add(2)
    second = await trail.export("b")
    assert (first.start, first.last.lines, second.start, second.last.lines) == (NONE_YET, 4, first.last, 7)
    assert await all_exports(trail.database) == [first.last, second.last]
    assert trail.ids("a", "b") == await trail.stored_ids()
    assert len(trail.ids("a")) == 3


async def test_an_event_in_an_export(trail: Trail) -> None:
    connection = "00000000-0000-7000-8000-000000000001"
    await record(trail.database, entry("replayed", connection_id=connection, subject="p-bob"), 7)
    await trail.export()
    event = json.loads(trail.file("a").read_bytes().splitlines()[0])["event"]
    assert event.pop("at").endswith("Z")
    assert event == {
        "id": 1,
        "action": "complete",
        "outcome": "replayed",
        "actorPseudonym": "p-alice",
        "clientId": "app",
        "subjectPseudonym": "p-bob",
        "provider": "oura",
        "connectionId": connection,
        "scopes": ["sleep"],
        "count": 7,
        "requestId": "r1",
    }


async def test_nothing_new_leaves_no_file(trail: Trail) -> None:
    assert await trail.export() == Exported(NONE_YET, NONE_YET)
    await trail.add()
    exported = await trail.export()
    assert await trail.export("b") == Exported(exported.last, exported.last)
    assert [file.name for file in trail.folder.iterdir()] == ["a.jsonl"]


async def test_more_events_than_one_statement_reads(any_trail: Trail) -> None:
    await any_trail.outside.fetch(
        """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
        INSERT INTO audit_event (at, action, scopes, outcome, request_id)
        SELECT '2026-01-01 00:00:00.000000+00:00', 'a', '[]', 'ok', 'r' FROM n"""
    )
    await any_trail.export()
    assert any_trail.ids("a") == list(range(1, 2501))


class Wrapped(Output):
    """Passes everything on."""

    def __init__(self, output: Output) -> None:
        self.output = output

    def resume(self, start: StoredExport) -> tuple[Link, int]:
        return self.output.resume(start)

    def restart(self) -> None:
        self.output.restart()

    def write(self, line: bytes) -> None:
        self.output.write(line)

    def publish(self) -> None:
        self.output.publish()

    def discard(self) -> None:
        self.output.discard()


class Interrupted(Exception):
    """What a kill is here."""


class Interrupting(Wrapped):
    """It is killed at a line, before the file gets its name (`publish`), or after it (`record`)."""

    def __init__(self, output: Output, at: int | str) -> None:
        super().__init__(output)
        self._at = at
        self._lines = 0

    def write(self, line: bytes) -> None:
        self._lines += 1
        if self._lines == self._at:
            raise Interrupted
        super().write(line)

    def publish(self) -> None:
        if self._at == "record":
            super().publish()
        raise Interrupted


class Overtaken(Wrapped):
    """Another process exports the same events before the first line is written."""

    def __init__(self, output: Output, trail: Trail) -> None:
        super().__init__(output)
        self._trail = trail
        self._done = False

    def write(self, line: bytes) -> None:
        if not self._done:
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, self._export()).result()
            self._done = True
        super().write(line)

    async def _export(self) -> None:
        async with open_database(self._trail.outside.url) as database:
            await Trail(database, self._trail.outside, self._trail.folder).export("a")


@pytest.mark.parametrize("at", [1, 2, 4, "publish", "record"])
async def test_an_export_that_is_killed_is_continued(trail: Trail, at: int | str) -> None:
    """Wherever it is: no event is missing, and none is there twice."""
    await trail.add(3)
    with pytest.raises(Interrupted), open_file(trail.file("a")) as output:
        await export_new(trail.database, Interrupting(output, at), PATIENCE)
    assert await all_exports(trail.database) == []
    await trail.add(2)
    await trail.export("a")
    assert trail.ids("a") == await trail.stored_ids()
    assert [file.name for file in trail.folder.iterdir()] == ["a.jsonl"]
    assert len(await all_exports(trail.database)) == 1


async def test_a_killed_export_under_another_name(trail: Trail) -> None:
    """If the file has its name already, both have the same events, and a check says so."""
    await trail.add(3)
    with pytest.raises(Interrupted), open_file(trail.file("a")) as output:
        await export_new(trail.database, Interrupting(output, "record"), PATIENCE)
    await trail.export("b")
    assert trail.ids("b") == await trail.stored_ids()
    with pytest.raises(BrokenChain, match="is repeated"):
        trail.ids("a", "b")


async def test_two_exports_at_once(trail: Trail) -> None:
    """The one that ends later leaves nothing."""
    await trail.add(3)
    with (
        open_file(trail.file("late")) as output,
        pytest.raises(ExportError, match="another export of the same events has ended meanwhile: discard this one"),
    ):
        await export_new(trail.database, Overtaken(output, trail), PATIENCE)
    assert [file.name for file in trail.folder.iterdir()] == ["a.jsonl"]
    assert len(await all_exports(trail.database)) == 1
    await trail.add()
    await trail.export("b")
    assert trail.ids("a", "b") == await trail.stored_ids()


async def test_events_below_an_open_transaction(postgres: PostgresServer, tmp_path: Path) -> None:
    """Its event has a lower id than others that are committed: these are left for the next export, which has all."""
    outside = PostgresDatabase(await postgres.create_migrated())
    session: Any = await asyncpg.connect(outside.url)
    async with open_database(outside.url) as database:
        trail = Trail(database, outside, tmp_path)
        await trail.add(2)
        await session.execute("BEGIN")
        await session.execute(INSERT)
        await trail.add(2)
        first = await trail.export("a", patience=0)
        assert (trail.ids("a"), first.open_process) == ([1, 2], session.get_server_pid())
        # Again, there is nothing that may be exported.
        again = await trail.export("b", patience=0)
        assert (again.start, again.last, again.open_process) == (first.last, first.last, first.open_process)
        await session.execute("COMMIT")
        last = await trail.export("b")
        assert last.open_process is None
        assert trail.ids("a", "b") == await trail.stored_ids() == [1, 2, 3, 4, 5]
        # An id that was never used holds nothing back later.
        await session.execute(f"BEGIN; {INSERT}; ROLLBACK")
        await trail.add()
        await trail.export("c")
        assert trail.ids("a", "b", "c") == [1, 2, 3, 4, 5, 7]
    await session.close()


FOREIGN = """INSERT INTO audit_event (id, at, action, scopes, outcome, request_id)
    VALUES (1000, now(), 'read', '[]', 'ok', 'x')"""
REFUSED = "the id 1000 does not come from the sequence of audit_event, which has reached"


async def test_an_id_that_is_not_from_the_sequence(postgres: PostgresServer, tmp_path: Path) -> None:
    """Events that are added later would have lower ids. So nothing is exported until it is removed: also if an export
    that was killed has it already, or one that was recorded."""
    outside = PostgresDatabase(await postgres.create_migrated())
    async with open_database(outside.url) as database:
        trail = Trail(database, outside, tmp_path)
        await trail.add(2)
        await outside.fetch(FOREIGN)
        with pytest.raises(ExportError, match=f"{REFUSED} 2:"):
            await trail.export("a")
        assert list(trail.folder.iterdir()) == []
        await outside.fetch("SELECT setval('audit_event_id_seq', 1000)")
        with pytest.raises(Interrupted), open_file(trail.file("a")) as output:
            await export_new(database, Interrupting(output, "publish"), PATIENCE)
        await outside.fetch("SELECT setval('audit_event_id_seq', 2)")
        await outside.fetch("DELETE FROM audit_event WHERE id = 1000")
        with pytest.raises(ExportError, match=f"{REFUSED} 2:"):
            await trail.export("a")
        await trail.export("a")
        assert trail.ids("a") == [1, 2]
        await outside.fetch("UPDATE audit_export SET last_id = 1000")
        await trail.add(1)
        with pytest.raises(ExportError, match=f"{REFUSED} 3:"):
            await trail.export("b")
        await outside.fetch("UPDATE audit_export SET last_id = 2")
        await trail.export("b")
        assert trail.ids("a", "b") == [1, 2, 3]


async def test_nothing_is_missing_while_events_are_added(trail: Trail) -> None:
    """Each export goes as far as it can."""
    names: list[str] = []
    for number in range(8):
        adding = asyncio.gather(*(trail.add(3) for _ in range(5)))
        names.append(f"{number}")
        await trail.export(names[-1])
        await adding
    await trail.export("last")
    written = [name for name in (*names, "last") if trail.file(name).exists()]
    assert trail.ids(*written) == await trail.stored_ids()
    assert len(await trail.stored_ids()) == 8 * 15


async def test_an_export_is_written_again(trail: Trail) -> None:
    for name in ("a", "b", "c"):
        await trail.add(2)
        await trail.export(name)
    recorded = await all_exports(trail.database)
    contents = [trail.file(name).read_bytes() for name in ("a", "b", "c")]
    for place, after in enumerate((0, 3, 6)):
        again = await trail.again(after, f"again-{after}")
        assert trail.file(f"again-{after}").read_bytes() == b"".join(contents[place:])
        assert (again.start.lines, again.last) == (after, recorded[-1])
    assert (await trail.again(9)).last == recorded[-1]
    assert not trail.file("again").exists()
    assert await all_exports(trail.database) == recorded


async def test_what_can_not_be_written_again(any_trail: Trail) -> None:
    await any_trail.add(3)
    await any_trail.export("a")
    for change in ("UPDATE audit_event SET outcome = 'x' WHERE id = 2", "DELETE FROM audit_event WHERE id = 2"):
        await any_trail.outside.fetch(change)
        with pytest.raises(ExportError, match="the events of export 1 are no longer those that were exported"):
            await any_trail.again(0)
    assert not any_trail.file("again").exists()
    with pytest.raises(ExportError, match="no export ended with line 2: use the number of its last line; the latest"):
        await any_trail.again(2)
    before = any_trail.file("a").read_bytes()
    with pytest.raises(ExportError, match="exists already"):
        await any_trail.again(0, "a")
    assert any_trail.file("a").read_bytes() == before
