"""`tendon status`: what it says of a database in order, and of each fault; and its exit status."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from models.ids import new_id
from tests.databases import Database
from tests.postgres import PostgresServer, programs
from tests.processes import tendon
from tests.proxy import Proxy
from tests.vault_keys import vault_key
from tests.waiting import until

CANARY = "canary-7f3a"
SETTINGS = {
    "TENDON_AUTH": "introspection",
    "TENDON_INTROSPECTION_URL": "https://login.example/introspect",
    "TENDON_INTROSPECTION_CLIENT_ID": "tendon",
    "TENDON_INTROSPECTION_CLIENT_SECRET": CANARY,
    "OURA_CLIENT_ID": "tendon",
    "OURA_CLIENT_SECRET": CANARY,
    "TENDON_VAULT_KEYS": vault_key("k1"),
}


def status(url: str, *arguments: str, cwd: Path, **changes: str) -> tuple[int, str]:
    run = tendon("status", *arguments, cwd=cwd, settings=SETTINGS | {"TENDON_DATABASE_URL": url} | changes)
    assert "Traceback" not in run.stderr
    for secret in (CANARY, SETTINGS["TENDON_VAULT_KEYS"]):
        assert secret not in run.stdout + run.stderr
    return run.returncode, run.stdout


async def document(url: str, cwd: Path, **changes: str) -> tuple[int, Any]:
    code, told = await asyncio.to_thread(status, url, "--json", cwd=cwd, **changes)
    return code, json.loads(told)


def file_of(database: Database) -> Path:
    return Path(database.url.removeprefix("sqlite://"))


def values(told: str) -> dict[str, str]:
    """By the name at the start of each line."""
    return {name: value.strip() for name, _, value in (line.partition("  ") for line in told.splitlines())}


async def test_a_database_in_order(own_database: Database, tmp_path: Path) -> None:
    code, told = await asyncio.to_thread(status, own_database.url, cwd=tmp_path)
    found = values(told)
    assert code == 0, told
    assert (found["migrations"], found["rights"], found["vault keys"]) == ("none pending", "complete", "usable")
    assert found["providers"] == "oura"
    assert "needs attention" not in told
    code, parsed = await document(own_database.url, tmp_path)
    assert (code, parsed["ok"], parsed["attention"]) == (0, True, [])
    assert (parsed["pending_migrations"], parsed["missing_rights"], parsed["unusable_keys"]) == ([], [], [])
    assert (found["revocations"], parsed["revocations"]) == ("none pending, none failed", {})
    assert parsed["database"]["answered"] is True
    if own_database.engine == "sqlite":
        assert found["commits"] == "in one file, without a standby"
        assert parsed["database"]["bytes"] == file_of(own_database).stat().st_size
    else:
        assert " primary" in found["server"]
        assert parsed["server"]["own_sessions"] >= 1
        assert set(parsed["tables"]) >= {"connection", "authorization_request"}


async def test_a_database_without_tables(empty_database: Database, tmp_path: Path) -> None:
    if empty_database.engine == "sqlite":
        file_of(empty_database).touch(0o600)
    code, parsed = await document(empty_database.url, tmp_path)
    assert code == 1
    assert parsed["pending_migrations"][0] == "0001_initial"
    [told] = parsed["attention"]
    assert told.startswith("migrations are pending: run `tendon migrate` (0001_initial")


def test_a_file_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    code, told = status("sqlite://missing.db", cwd=tmp_path)
    assert code == 1
    assert "- there is no database sqlite missing.db: run `tendon migrate` to create it" in told
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    code, told = status(f"postgres://u:{CANARY}@127.0.0.1:1/db", cwd=tmp_path)
    assert code == 1
    assert values(told)["server"] == "not known"
    assert "(ConnectionRefusedError): no server listens there; start it, or correct host and port" in told


async def test_a_server_that_hangs(postgres: PostgresServer, tmp_path: Path) -> None:
    url = await postgres.create_migrated()
    line = Proxy(postgres.port)
    await line.open()
    line.hold_replies()
    # Without a limit, it would wait until the line is closed.
    code, told = await asyncio.to_thread(
        status, postgres.url(url.rpartition("/")[2], line.port), cwd=tmp_path, TENDON_DATABASE_TIMEOUT="0.3"
    )
    await line.close()
    assert code == 1
    assert "(TimeoutError): the server did not answer in time" in told


def test_wrong_settings(tmp_path: Path) -> None:
    run = tendon("status", cwd=tmp_path, settings=SETTINGS | {"TENDON_DATABASE_URL": "mysql://x"})
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("tendon can't start:\nTENDON_DATABASE_URL: ")


async def test_a_key_that_is_missing(own_database: Database, tmp_path: Path) -> None:
    """It was recorded just now, so it may be in use."""
    now = "now()" if own_database.engine == "postgres" else "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now')"
    await own_database.fetch(
        f"INSERT INTO vault_key (key_id, \"check\", created_at) VALUES ('k2', $1, {now})", b"sealed"
    )
    code, parsed = await document(own_database.url, tmp_path)
    assert (code, parsed["unusable_keys"]) == (1, ["k2"])
    assert parsed["attention"] == [
        "rows are encrypted under keys that are missing here or differ (k2): put them into TENDON_VAULT_KEYS"
    ]


async def add_revocation(database: Database, provider: str, state: str, days: float, attempts: int = 1) -> None:
    """So many days old. No worker has to look at it now."""
    later = datetime.now(UTC) + timedelta(days=1)
    made = datetime.now(UTC) - timedelta(days=days)
    due, created = (str(time) if database.engine == "sqlite" else time for time in (later, made))
    await database.fetch(
        "INSERT INTO revocation (id, ended_version, provider, subject, status, due_at, attempts, created_at)"
        " VALUES ($1, 1, $2, 'pseudonym', $3, $4, $5, $6)",
        *(new_id(), provider, state, due if state == "pending" else None, attempts, created),
    )


async def test_revocations_that_no_provider_confirms(own_database: Database, tmp_path: Path) -> None:
    for _ in range(2):
        await add_revocation(own_database, "oura", "failed", 8)
    await add_revocation(own_database, "oura", "pending", 2)
    await add_revocation(own_database, "gone", "pending", 2, attempts=0)
    code, told = await asyncio.to_thread(status, own_database.url, cwd=tmp_path)
    assert code == 1
    assert values(told)["revocations"] == (
        "gone: 1 pending (1 for more than a day), 0 failed; oura: 1 pending (1 for more than a day), 2 failed"
    )
    code, parsed = await document(own_database.url, tmp_path)
    assert (code, parsed["revocations"]["oura"]) == (1, {"pending": 1, "pending_for_a_day": 1, "failed": 2})
    assert parsed["attention"] == [
        "revocations at gone: 1 can't be sent, because the provider is not available; see why in `tendon providers`",
        "revocations at oura: 2 failed, so the provider may still give access; see Revocations in docs/operating.md",
        "revocations at oura: 1 pending for more than a day; see why in `revocation.postponed` in the log of"
        " `tendon worker`",
    ]


async def test_revocations_that_need_nothing(own_database: Database, tmp_path: Path) -> None:
    """One that was never sent may wait for another user's connection, for a week."""
    await add_revocation(own_database, "oura", "pending", 0.9)
    await add_revocation(own_database, "oura", "pending", 7.5, attempts=0)
    for ended in ("delivered", "not_needed", "unsupported"):
        await add_revocation(own_database, "oura", ended, 8)
    code, parsed = await document(own_database.url, tmp_path)
    assert (code, parsed["attention"]) == (0, [])
    assert parsed["revocations"] == {"oura": {"pending": 2, "pending_for_a_day": 1, "failed": 0}}
    await add_revocation(own_database, "oura", "pending", 8.5, attempts=0)
    code, parsed = await document(own_database.url, tmp_path)
    assert (code, len(parsed["attention"])) == (1, 1)


async def test_work_that_no_worker_of_this_database_does(own_database: Database, tmp_path: Path) -> None:
    """A worker of another database on the same server doesn't count."""
    await add_revocation(own_database, "oura", "pending", 0.5)
    late = datetime.now(UTC) - timedelta(minutes=11)
    await own_database.fetch(
        "UPDATE revocation SET due_at = $1", str(late) if own_database.engine == "sqlite" else late
    )
    elsewhere = None
    if own_database.engine == "postgres":
        other = own_database.url.rpartition("/")[0] + "/postgres"
        elsewhere = await asyncpg.connect(other, server_settings={"application_name": "tendon-worker other/1"})
    code, parsed = await document(own_database.url, tmp_path)
    if elsewhere is not None:
        await elsewhere.close()
    assert (code, parsed["workers"]) == (1, 0)
    [told] = parsed["attention"]
    assert told.startswith("work on the table revocation is late: 1 due, the oldest for 6")
    assert told.endswith(" s. No worker runs, so start `tendon worker`")


async def test_workers_of_this_database_are_counted(postgres: PostgresServer, tmp_path: Path) -> None:
    url = await postgres.create_migrated()
    sessions = [
        await asyncpg.connect(url, server_settings={"application_name": f"tendon-worker {name}"})
        for name in ("one/1", "one/1", "two/1")
    ]
    _, parsed = await document(url, tmp_path)
    for session in sessions:
        await session.close()
    assert parsed["workers"] == 2


async def test_a_database_that_is_read_only(postgres: PostgresServer, tmp_path: Path) -> None:
    url = await postgres.create_migrated()
    session = await asyncpg.connect(postgres.url("postgres"))
    await session.execute(f'ALTER DATABASE "{url.rpartition("/")[2]}" SET default_transaction_read_only = on')
    await session.close()
    code, told = await asyncio.to_thread(status, url, cwd=tmp_path)
    assert code == 1
    assert values(told)["server"].endswith(", primary, read-only")
    assert "25006" in told


async def test_limits_of_connections_and_an_old_transaction(postgres: PostgresServer, tmp_path: Path) -> None:
    """Which this role does not see in full, since it is another role's."""
    url = await postgres.create_migrated()
    session = await asyncpg.connect(url)
    try:
        await session.execute("CREATE ROLE status_app LOGIN CONNECTION LIMIT 4")
        await session.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO status_app")
        await session.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO status_app")
        others = [await asyncpg.connect(url.replace("tendon@", "status_app@"), timeout=10)]
        code, parsed = await document(url.replace("tendon@", "status_app@"), tmp_path)
        assert (code, parsed["attention"]) == (0, [])
        assert (parsed["server"]["own_sessions"], parsed["server"]["role_limit"]) == (2, 4)
        assert parsed["server"]["hidden_sessions"] >= 1
        assert parsed["server"]["sessions"] >= 3
        await others[0].execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await others[0].execute("SELECT 1")
        code, parsed = await document(url.replace("tendon@", "status_app@"), tmp_path)
        assert (code, parsed["server"]["oldest_transaction"] >= 0) == (0, True)
        # One less than this command may need beside them.
        others += [await asyncpg.connect(url.replace("tendon@", "status_app@"), timeout=10) for _ in range(3)]
        code, parsed = await document(url.replace("tendon@", "status_app@"), tmp_path)
        assert code == 1
        assert "53300" in parsed["attention"][0]
        for other in others:
            await other.close()
    finally:
        await session.execute("DROP OWNED BY status_app; DROP ROLE status_app")
        await session.close()


@pytest.fixture(scope="module")
def primary() -> Generator[PostgresServer]:
    server = PostgresServer(programs())
    yield server
    server.remove()


@pytest.fixture(scope="module")
def standby(primary: PostgresServer) -> Generator[PostgresServer]:
    server = PostgresServer(programs(), primary=primary)
    yield server
    server.remove()


@pytest.fixture
async def admin(primary: PostgresServer, standby: PostgresServer) -> AsyncGenerator[Any]:
    session = await asyncpg.connect(primary.url("postgres"))
    await session.execute("SET synchronous_commit = local")
    yield session
    standby.signal(signal.SIGCONT)
    await name_standbys(session, "")
    await session.close()


async def name_standbys(admin: Any, names: str) -> None:
    await admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    await admin.execute("SELECT pg_reload_conf()")

    async def is_so() -> bool:
        named = await admin.fetchval("SHOW synchronous_standby_names")
        states = [state for (state,) in await admin.fetch("SELECT sync_state FROM pg_stat_replication")]
        synchronous = "quorum" if names.lower().startswith("any") else "sync"
        return named == names and states == ["async" if names in ("", "nobody") else synchronous]

    await until(is_so, names)


@pytest.mark.parametrize(
    ("names", "level", "told"),
    [
        ("", "on", ": a failover may lose the latest commits, and a code may then be sent twice"),
        ("*", "on", ": a commit waits for a standby"),
        ("*", "remote_apply", ": a commit waits for a standby"),
        (
            "*",
            "remote_write",
            ": a commit waits for a standby, which loses it if its machine crashes at the same moment",
        ),
        ("*", "local", ": a failover may lose the latest commits, and a code may then be sent twice"),
        ("*", "off", ": a failover and a crash may lose the latest commits, and a code may then be sent twice"),
    ],
)
async def test_what_becomes_of_commits(
    admin: Any, primary: PostgresServer, tmp_path: Path, names: str, level: str, told: str
) -> None:
    await name_standbys(admin, names)
    url = await primary.create_migrated()
    await admin.execute(f'ALTER DATABASE "{url.rpartition("/")[2]}" SET synchronous_commit = {level}')
    code, parsed = await document(url, tmp_path)
    assert (code, parsed["attention"]) == (0, [])
    assert parsed["commits"] == f"synchronous_commit = {level}, synchronous_standby_names = '{names}'{told}"
    server = parsed["server"]
    assert server["waits_for_standby"] == (names == "*" and level in ("on", "remote_apply", "remote_write"))
    assert (server["standbys"], server["waited_for"]) == (1, 1 if names else 0)


@pytest.mark.parametrize(
    ("names", "number"),
    [
        ("nobody", "no standby"),
        ("2 (*)", "only 1 of 2 needed standbys"),
        ("FIRST 2 (*)", "only 1 of 2 needed standbys"),
        ("any 3(*)", "only 1 of 3 needed standbys"),
    ],
)
async def test_too_few_standbys_that_are_waited_for(
    admin: Any, primary: PostgresServer, tmp_path: Path, names: str, number: str
) -> None:
    url = await primary.create_migrated()
    await name_standbys(admin, names)
    code, parsed = await document(url, tmp_path)
    assert code == 1
    assert parsed["attention"] == [
        f"{number} of synchronous_standby_names ({names}) is connected, so no commit ends: start one"
    ]


@pytest.mark.parametrize("names", ["1 (*)", "FIRST 1 (*)", "ANY 1 (*)"])
async def test_as_many_standbys_as_are_needed(admin: Any, primary: PostgresServer, tmp_path: Path, names: str) -> None:
    url = await primary.create_migrated()
    await name_standbys(admin, names)
    code, parsed = await document(url, tmp_path)
    assert (code, parsed["attention"]) == (0, [])


async def test_a_standby_that_is_silent(
    admin: Any, primary: PostgresServer, standby: PostgresServer, tmp_path: Path
) -> None:
    await name_standbys(admin, "*")
    url = await primary.create_migrated()
    standby.signal(signal.SIGSTOP)
    writer = await asyncpg.connect(url)
    writing = asyncio.create_task(writer.execute("CREATE TABLE waits (x integer)"))
    waiting = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

    async def waits() -> bool:
        return await admin.fetchval(waiting)

    await until(waits, "a commit waits")
    code, parsed = await document(url, tmp_path)
    assert code == 1
    [told] = parsed["attention"]
    assert told.startswith("commits of this role that wait for a standby: 1. ")
    standby.signal(signal.SIGCONT)
    await writing
    await writer.close()


async def test_a_standby(admin: Any, primary: PostgresServer, standby: PostgresServer, tmp_path: Path) -> None:
    url = await primary.create_migrated()
    database = url.rpartition("/")[2]
    known = "SELECT count(*) = 1 FROM pg_database WHERE datname = $1"
    session = await asyncpg.connect(standby.url("postgres"))

    async def is_known() -> bool:
        return await session.fetchval(known, database)

    await until(is_known, "the standby has it")
    await session.close()
    code, told = await asyncio.to_thread(status, standby.url(database), cwd=tmp_path)
    assert code == 1
    assert ", standby, read-only" in values(told)["server"]
    assert "25006): it is a standby or read-only; name the primary" in told
