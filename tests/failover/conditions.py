"""Conditions under which a server works, but not as it should: locks, old snapshots, no sessions or space left."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.failover.rig import Rig, Setup
from tests.failover.scenario import Scenario
from tests.torture.history import OK
from tests.waiting import until


def lock(table: str) -> Callable[[Rig], Awaitable[None]]:
    """A migration by hand, or `VACUUM FULL`, holds the table."""

    async def hold(rig: Rig) -> None:
        async with rig.load.running():
            await rig.work()
            with rig.disturbance("database has a locked table"):
                async with _session(rig) as session, session.transaction():
                    await session.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                    await asyncio.sleep(rig.seconds)
                await rig.work()

    return hold


async def hold_a_snapshot(rig: Rig) -> None:
    """A dump keeps its snapshot open. What a flow reads at the server doesn't grow with the flows before it."""
    async with rig.load.running(callers=8, pause=0):
        await rig.work()
        async with _session(rig) as session, session.transaction(isolation="repeatable_read"):
            await session.fetchval("SELECT count(*) FROM authorization_request")
            first = await _buffers_of_a_flow(rig)
            # What was cleared away or ended since can't be removed while the snapshot is held.
            await asyncio.sleep(rig.seconds)
            last = await _buffers_of_a_flow(rig)
    rig.notes.append(f"{first:.0f} buffers a flow at first, {last:.0f} in the end")
    if last > 2 * first:
        rig.problems.append(f"a flow read {first:.0f} buffers at first, and {last:.0f} in the end")


async def run_out_of_role_sessions(rig: Rig) -> None:
    """CONNECTION LIMIT of the role is less than the pools have: processes get by with the sessions that they have."""
    await rig.recover()
    await rig.pair.administer("ALTER ROLE tendon_app CONNECTION LIMIT 6")
    await _load_without_failure(rig)


async def run_out_of_server_sessions(rig: Rig) -> None:
    """Others have taken all sessions that are left."""
    await rig.recover()
    await rig.pair.administer("CREATE ROLE another LOGIN")
    async with AsyncExitStack() as stack:
        url = rig.pair.primary.url(rig.pair.database).replace("tendon@", "another@")
        try:
            while True:
                session = await asyncpg.connect(url)
                stack.push_async_callback(session.close)
        except asyncpg.TooManyConnectionsError:
            await _load_without_failure(rig)


async def run_out_of_space(rig: Rig) -> None:
    """The tables are on a disk that another program fills. Callers hear 503, or that they have to start again if the
    disk was full until their claim had ended."""
    disk = rig.until_judged.enter_context(_small_disk(rig.pair.primary.folder))
    await rig.pair.administer(
        f"CREATE TABLESPACE small LOCATION '{disk}/data'",
        "ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE small",
        "ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE small",
    )
    async with rig.load.running(callers=8, pause=0):
        await rig.work()
        with rig.disturbance("database has no space left"):
            failures = rig.failures
            _fill(disk / "filler")
            await until(lambda: rig.failures > failures, "the disk to be full")
            await asyncio.sleep(rig.seconds)
            (disk / "filler").unlink()
            await rig.work()
    if told := rig.outcomes.keys() - {OK, "SERVICE_UNAVAILABLE", "PROVIDER_UNAVAILABLE"}:
        rig.problems.append(f"callers were told {told}")


async def _load_without_failure(rig: Rig) -> None:
    before = rig.failures
    async with rig.load.running(callers=rig.setup.pool, pause=0):
        await rig.work()
        await asyncio.sleep(rig.seconds)
        await rig.work()
    if rig.failures > before:
        rig.problems.append(f"{rig.failures - before} failures, though each process had sessions")


async def _buffers_of_a_flow(rig: Rig) -> float:
    """What was read from tables and indexes for a flow, on average over a hundred."""
    flows, buffers = rig.successes, await _buffers(rig)
    await until(lambda: rig.successes >= flows + 100, "a hundred flows")
    return (await _buffers(rig) - buffers) / (rig.successes - flows)


async def _buffers(rig: Rig) -> int:
    """Of the tables of Tendon. The server knows of all that sessions did until a second ago."""
    tables = (
        "SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::int8 FROM pg_statio_user_tables"
    )
    [(number,)] = await rig.pair.administer(tables)
    return number


@asynccontextmanager
async def _session(rig: Rig) -> AsyncGenerator[asyncpg.Connection]:
    session = await asyncpg.connect(rig.pair.primary.url(rig.pair.database))
    try:
        yield session
    finally:
        await session.close()


@contextmanager
def _small_disk(owner: Path) -> Generator[Path]:
    """A file system of 16 MB in memory, with a folder `data` for the server that owns the folder `owner`."""
    folder = Path(tempfile.mkdtemp(prefix="tendon-small-disk-"))
    try:
        _mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder))
        try:
            (folder / "data").mkdir(mode=0o700)
            shutil.chown(folder / "data", owner.stat().st_uid, owner.stat().st_gid)
            yield folder
        finally:
            # Lazily, because the server still has its files open.
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NO DISK WILL BE FULL: nothing can be mounted here ({done.stderr.strip()})")


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            os.fsync(file.fileno())


_SMALL = Setup(standby=False, server={"max_connections": "24", "superuser_reserved_connections": "3"})
SCENARIOS = (
    Scenario("locked requests", lock("authorization_request"), Setup(standby=False), seconds=5),
    Scenario("locked connections", lock("connection"), Setup(standby=False), seconds=12),
    Scenario("old snapshot", hold_a_snapshot, Setup(standby=False), seconds=60),
    Scenario("limit of the role's sessions", run_out_of_role_sessions, Setup(standby=False), seconds=10),
    Scenario("limit of the server's sessions", run_out_of_server_sessions, _SMALL, seconds=10),
    Scenario("full disk", run_out_of_space, Setup(standby=False), seconds=10),
)
