"""`tendon audit`: what it prints, its exit status, and exports that are killed, run twice or can't be written."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.audit_chain import LONGEST
from tests import forked
from tests.databases import Database, PostgresDatabase, SqliteFile, create_migrated_file
from tests.postgres import PostgresServer
from tests.processes import TENDON, environment, tendon
from tests.waiting import until

PAGE = Path("docs/operating.md").read_text(encoding="utf-8").partition("#### Exporting it")[2]
EVENTS = """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
    INSERT INTO audit_event (at, action, scopes, outcome, request_id)
    SELECT '2026-01-01 00:00:00.000000+00:00', 'a', '[]', 'ok', 'r' FROM n"""
HELD = """INSERT INTO audit_event (at, action, scopes, outcome, request_id)
    VALUES (now(), 'read', '[]', 'ok', 'held')"""


def audit(url: str, *arguments: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    done = tendon("audit", *arguments, cwd=cwd, settings={"TENDON_DATABASE_URL": url, **settings})
    assert "Traceback" not in done.stderr
    return done


async def add(database: Database, count: int) -> None:
    await database.fetch(EVENTS, count)


def digest(path: Path) -> str:
    """Of its last line."""
    return json.loads(path.read_text().splitlines()[-1])["digest"]


@pytest.fixture
async def database(tmp_path: Path) -> Database:
    """On one engine, with three events."""
    database = SqliteFile(create_migrated_file(tmp_path / "tendon.db"))
    await add(database, 3)
    return database


@pytest.fixture
def exported(database: Database, tmp_path: Path) -> Path:
    """The file of an export."""
    assert audit(database.url, "export", "--out", "a.jsonl", cwd=tmp_path).returncode == 0
    return tmp_path / "a.jsonl"


async def test_exports_and_their_check(own_database: Database, tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        done = audit(own_database.url, *arguments, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    for name, lines in (("a.jsonl", "1 to 1001"), ("b.jsonl", "1002 to 2002")):
        await add(own_database, 1000)
        found = await asyncio.to_thread(run, "export", "--out", name)
        told = f"{name}: 1,000 events, lines {lines}; the digest of the last line is {digest(tmp_path / name)}\n"
        assert found == (0, "", told)
    assert await asyncio.to_thread(run, "export") == (0, "", "nothing to export\n")
    assert await asyncio.to_thread(run, "verify", "a.jsonl", "b.jsonl") == (
        0,
        "a.jsonl: 1,000 events, lines 1 to 1001\nb.jsonl: 1,000 events, lines 1002 to 2002\nNothing is wrong.\n"
        f"The digest of the last line is {digest(tmp_path / 'b.jsonl')}: compare it with the one that the export"
        " printed.\n",
        "",
    )
    status, output, _ = await asyncio.to_thread(run, "verify", "b.jsonl")
    assert status == 0
    assert "Nothing is wrong from line 1002 on. The lines before it are in earlier files." in output
    broken = "b.jsonl: line 1 has the number 1002, but follows line 2002: it is repeated, or in the wrong place\n"
    assert await asyncio.to_thread(run, "verify", "b.jsonl", "b.jsonl") == (
        1,
        "b.jsonl: 1,000 events, lines 1002 to 2002\n",
        broken,
    )
    status, output, _ = await asyncio.to_thread(run, "export", "--after", "1001")
    assert (status, output) == (0, (tmp_path / "b.jsonl").read_text())


def test_an_export_to_standard_output(database: Database, tmp_path: Path) -> None:
    done = audit(database.url, "export", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.startswith("standard output: 3 events, lines 1 to 4; the digest of the last line is ")
    assert done.stdout.count("\n") == 4
    (tmp_path / "a.jsonl").write_text(done.stdout)
    assert audit(database.url, "verify", "a.jsonl", cwd=tmp_path).returncode == 0


def test_a_check_of_standard_input(exported: Path) -> None:
    with exported.open("rb") as file:
        done = subprocess.run(
            [TENDON, "audit", "verify", "-"], stdin=file, capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "-: 3 events, lines 1 to 4")


def _spoilt(text: bytes) -> dict[str, bytes]:
    """By what a check says of it."""
    return {
        "line 1 has been changed: its digest doesn't fit its content": text.replace(b'"ok"', b'"no"', 1),
        "the file ends in the middle of an export: lines are": b"".join(text.splitlines(keepends=True)[:2]),
        "line 4 is cut off": text[:-1],
        "the file is empty": b"",
        "line 5 is longer than any line of an export": text + b"x" * 3 * LONGEST,
        "line 5 is not a line of an export": text + b"\xff\0\n",
    }


def test_a_check_that_fails(exported: Path) -> None:
    for told, content in _spoilt(exported.read_bytes()).items():
        exported.write_bytes(content)
        done = audit("", "verify", exported.name, cwd=exported.parent)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"{exported.name}: {told}")


def test_files_that_can_not_be_read(exported: Path) -> None:
    done = audit("", "verify", "a.jsonl", "none.jsonl", cwd=exported.parent)
    assert (done.returncode, done.stderr) == (2, "none.jsonl can't be read: No such file or directory\n")
    done = audit("", "verify", ".", cwd=exported.parent)
    assert (done.returncode, done.stderr) == (2, ". can't be read: Is a directory\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "a.jsonl"], "a.jsonl exists already: name another file"),
        (["--out", "none/a.jsonl"], "none/a.jsonl can't be written: No such file or directory"),
        (["--out", "b.jsonl", "--after", "3"], "no export ended with line 3: use the number of its last line; the la"),
    ],
)
def test_an_export_that_fails(database: Database, exported: Path, arguments: list[str], told: str) -> None:
    before = exported.read_bytes()
    done = audit(database.url, "export", *arguments, cwd=exported.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"tendon audit export: {told}")
    assert exported.read_bytes() == before


def test_an_output_that_nobody_reads(database: Database, tmp_path: Path) -> None:
    """What was not written is not recorded."""
    with Path("/dev/full").open("wb") as full:
        own = environment(TENDON_DATABASE_URL=database.url)
        done = subprocess.run(
            [TENDON, "audit", "export"], stdout=full, stderr=subprocess.PIPE, text=True, env=own, check=False
        )
    assert (done.returncode, done.stderr) == (
        1,
        "tendon audit export: standard output can't be written: No space left on device\n",
    )
    assert audit(database.url, "export", cwd=tmp_path).stdout.count('"event"') == 3


def test_a_database_that_can_not_be_used(tmp_path: Path) -> None:
    done = audit("sqlite://none.db", "export", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no database sqlite none.db: run `tendon migrate`" in done.stderr
    (tmp_path / "empty.db").touch()
    done = audit("sqlite://empty.db", "export", cwd=tmp_path)
    assert (done.returncode, "run `tendon migrate`" in done.stderr) == (2, True)
    done = audit("postgres://u@127.0.0.1:1/db", "export", cwd=tmp_path)
    assert (done.returncode, "no server listens there" in done.stderr) == (2, True)
    done = audit("sqlite://none.db", "export", cwd=tmp_path, TENDON_DATABASE_TIMEOUT="never")
    assert (done.returncode, "TENDON_DATABASE_TIMEOUT: " in done.stderr) == (2, True)


async def test_an_open_transaction_is_named(postgres: PostgresServer, tmp_path: Path) -> None:
    database = PostgresDatabase(await postgres.create_migrated())
    await add(database, 2)
    session: Any = await asyncpg.connect(database.url)
    await session.execute(f"BEGIN; {HELD}")
    await add(database, 1)

    def run(name: str) -> subprocess.CompletedProcess[str]:
        return audit(database.url, "export", "--out", name, cwd=tmp_path, TENDON_DATABASE_TIMEOUT="0.2")

    done = await asyncio.to_thread(run, "a.jsonl")
    assert done.returncode == 0
    first, second = done.stderr.splitlines()
    assert first.startswith("a.jsonl: 2 events, lines 1 to 3; ")
    held = f"a transaction of process {session.get_server_pid()} has not ended: events that may follow its own are left"
    assert second == f"{held} for the next export"
    done = await asyncio.to_thread(run, "b.jsonl")
    assert (done.returncode, done.stderr.splitlines()) == (0, ["nothing to export", second])
    await session.execute("COMMIT")
    await session.close()
    done = await asyncio.to_thread(run, "b.jsonl")
    assert (done.returncode, done.stderr.startswith("b.jsonl: 2 events, lines 4 to 6; ")) == (0, True)
    assert audit("", "verify", "a.jsonl", "b.jsonl", cwd=tmp_path).returncode == 0


async def test_an_export_that_is_killed_and_run_again(own_database: Database, tmp_path: Path) -> None:
    await add(own_database, 5000)
    own = environment(TENDON_DATABASE_URL=own_database.url)
    partial = tmp_path / "a.jsonl.partial"
    arguments = ["audit", "export", "--out", "a.jsonl"]
    with (tmp_path / "log").open("wb") as log:
        killed = forked.start(arguments, cwd=tmp_path, env=own, stdout=log, stderr=log)
        await until(lambda: partial.exists() and partial.stat().st_size > 0, "the first lines")
        killed.send_signal(signal.SIGKILL)
        await asyncio.to_thread(killed.wait)
    assert partial.exists()
    assert await own_database.value("SELECT count(*) FROM audit_export") == 0
    done = await asyncio.to_thread(audit, own_database.url, "export", "--out", "a.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stderr.startswith("a.jsonl: 5,000 events, lines 1 to 5001; ")) == (0, True)
    assert audit("", "verify", "a.jsonl", cwd=tmp_path).returncode == 0


async def test_two_exports_at_once(own_database: Database, tmp_path: Path) -> None:
    """Into two files, and into the same one. No event is in two files, or in none."""
    for names in (("a.jsonl", "b.jsonl"), ("c.jsonl", "c.jsonl")):
        await add(own_database, 500)
        runs = [asyncio.to_thread(audit, own_database.url, "export", "--out", name, cwd=tmp_path) for name in names]
        for done in await asyncio.gather(*runs):
            assert done.returncode == 0 or re.search("another export|exists already", done.stderr), done.stderr
    first = [name for name in ("a.jsonl", "b.jsonl") if (tmp_path / name).exists()]
    done = audit("", "verify", *first, "c.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "lines 1 to 501\n" in done.stdout
    assert "c.jsonl: 500 events, lines 502 to 1002\n" in done.stdout


async def test_the_commands_of_the_page(database: Database, tmp_path: Path) -> None:
    """On SQLite. What may be deleted was exported."""
    (script,) = re.findall(r"```sh\n(.*?)```", PAGE.partition("\n#### ")[0], re.DOTALL)
    _, delete = re.findall(r"```sql\n(.*?)```", PAGE.partition("\n### ")[0], re.DOTALL)
    await database.fetch("UPDATE audit_event SET at = '2020-01-01 00:00:00.000+00:00' WHERE id < 3")
    await database.fetch(delete)
    assert await database.value("SELECT count(*) FROM audit_event") == 3
    own = environment(TENDON_DATABASE_URL=database.url, PATH=f"{TENDON.parent}:{os.environ['PATH']}")
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ": 3 events, lines 1 to 4\nNothing is wrong.\n" in done.stdout
    await database.fetch(delete)
    assert await database.fetch("SELECT id FROM audit_event") == [(3,)]


@pytest.mark.parametrize("arguments", [[], ["export", "x"], ["verify"], ["bogus"], ["export", "--after", "x"]])
def test_a_command_line_that_can_not_be_read(tmp_path: Path, arguments: list[str]) -> None:
    done = audit("", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr.startswith("usage: tendon")) == (2, True)
