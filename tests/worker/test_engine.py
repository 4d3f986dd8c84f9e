"""The engine by itself, on a file: it runs each id once, and forgets old ones."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from stat import S_IMODE

import pytest

from tests.waiting import until
from worker.engine import Engine
from worker.engine_sqlite import engine_file

OLD = "UPDATE workflow_status SET completed_at = completed_at - 700000, created_at = created_at - 4000000"


class Ran:
    """The units that ran, and those that wait."""

    def __init__(self) -> None:
        self.units: list[tuple[str, str]] = []
        self.held = asyncio.Event()

    async def run(self, kind: str, id_: str) -> None:
        self.units.append((kind, id_))
        if kind == "hold":
            await self.held.wait()


@pytest.fixture
def ran() -> Ran:
    return Ran()


@pytest.fixture
async def engine(tmp_path: Path, ran: Ran) -> AsyncGenerator[Engine]:
    started = Engine(ran.run, poll=0.05)
    await started.start_on_file(str(tmp_path / "a b?.db"))
    yield started
    ran.held.set()
    await started.close(0)


def query(tmp_path: Path, statement: str) -> list[tuple[str]]:
    with closing(sqlite3.connect(engine_file(str(tmp_path / "a b?.db")), isolation_level=None)) as session:
        return session.execute(statement).fetchall()


def modes(folder: Path) -> dict[str, int]:
    return {file.name: S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def test_an_id_runs_once(engine: Engine, ran: Ran) -> None:
    for _ in range(3):
        await engine.enqueue("p", "one", "k", "1")
    await engine.enqueue("p", "two", "k", "1")
    await until(lambda: len(ran.units) == 2, "two units")
    await engine.enqueue("p", "one", "k", "1")
    await engine.enqueue("p", "three", "k", "3")
    await until(lambda: ("k", "3") in ran.units, "the third unit")
    assert ran.units == [("k", "1"), ("k", "1"), ("k", "3")]


async def test_old_units_are_forgotten(engine: Engine, ran: Ran, tmp_path: Path) -> None:
    await engine.enqueue("p", "done", "k", "1")
    await engine.enqueue("p", "held", "hold", "2")
    await until(
        lambda: query(tmp_path, "SELECT status FROM workflow_status ORDER BY 1") == [("PENDING",), ("SUCCESS",)], "it"
    )
    await engine.forget_old()
    assert len(query(tmp_path, "SELECT status FROM workflow_status")) == 2
    query(tmp_path, OLD)
    await engine.forget_old()
    assert query(tmp_path, "SELECT workflow_uuid, status FROM workflow_status") == [("held", "CANCELLED")]
    await engine.enqueue("p", "done", "k", "1")
    await until(lambda: ran.units.count(("k", "1")) == 2, "the id to run again")


async def test_its_files_are_private_and_hold_ids_as_json(engine: Engine, ran: Ran, tmp_path: Path) -> None:
    await engine.enqueue("p", "one", "k", "id-1")
    await until(lambda: ran.units != [], "the unit")
    assert modes(tmp_path) == {f"a b?.db-worker{suffix}": 0o600 for suffix in ("", "-shm", "-wal")}
    [(inputs,)] = query(tmp_path, "SELECT inputs FROM workflow_input")
    assert inputs == '{"args": ["k", "id-1"], "kwargs": {}}'
