"""What is done to the database: locked, ended, stopped, restarted, and cut off before it could say what it did."""

from __future__ import annotations

import asyncio
import random
import signal

from tests.torture.databases import Database, Postgres, Sqlite
from tests.torture.faults import Nemeses
from tests.torture.history import History
from tests.torture.world import World


def of_database(database: Database) -> Nemeses:
    if isinstance(database, Sqlite):
        return _of_sqlite(database)
    assert isinstance(database, Postgres)
    return _of_postgres(database)


def _of_sqlite(database: Sqlite) -> Nemeses:
    async def lock(_world: World, history: History, chance: random.Random) -> None:
        """Another process writes, for longer than anybody waits for it or not."""
        with history.disturbance("database is locked"):
            async with database.locked():
                await asyncio.sleep(chance.choice((0.2, 0.6, 2, 6.5)))

    return {lock: 1}


def _of_postgres(database: Postgres) -> Nemeses:
    server, line = database.server, database.line

    async def terminate(_world: World, history: History, _chance: random.Random) -> None:
        with history.disturbance("database sessions are ended"):
            await database.terminate()

    async def restart(_world: World, history: History, chance: random.Random) -> None:
        with history.disturbance("database crashes and restarts"):
            await asyncio.to_thread(server.stop, chance.choice(("fast", "immediate")))
            await asyncio.sleep(chance.uniform(0, 1))
            await asyncio.to_thread(server.start)

    async def stop(_world: World, history: History, chance: random.Random) -> None:
        with history.disturbance("SIGSTOP of the database"):
            await asyncio.to_thread(server.signal, signal.SIGSTOP)
            try:
                await asyncio.sleep(chance.choice((0.5, 2, 7)))
            finally:
                await asyncio.to_thread(server.signal, signal.SIGCONT)

    async def cut(_world: World, history: History, _chance: random.Random) -> None:
        with history.disturbance("database connections are cut"):
            line.cut()

    async def stall(_world: World, history: History, chance: random.Random) -> None:
        with history.disturbance("database connections are stalled"):
            line.stall()
            try:
                await asyncio.sleep(chance.choice((0.5, 2, 7)))
            finally:
                line.flow()

    async def lose_commits(_world: World, history: History, chance: random.Random) -> None:
        """The server commits, and whoever asked never hears of it."""
        with history.disturbance("database commits and the reply is lost"):
            line.cut_replies(b"connected", chance.randint(1, 4))
            await asyncio.sleep(chance.uniform(0.2, 1))
            line.flow()

    async def commit_and_fall_silent(_world: World, history: History, chance: random.Random) -> None:
        """Whoever asked does not hear of the commit, and can't ask anybody whether it was, for longer than a lease or
        not."""
        with history.disturbance("database commits and falls silent"):
            line.stall_at_reply(b"connected")
            try:
                await asyncio.sleep(chance.choice((1, 3, 7)))
            finally:
                line.flow()

    async def lose_replies(_world: World, history: History, chance: random.Random) -> None:
        """The same for single statements, which commit by themselves."""
        with history.disturbance("database does as told and the reply is lost"):
            line.cut_replies(b"", chance.randint(1, 3))
            await asyncio.sleep(chance.uniform(0.1, 0.5))
            line.flow()

    return {
        terminate: 2,
        restart: 1,
        stop: 1,
        cut: 2,
        stall: 1,
        lose_commits: 4,
        lose_replies: 3,
        commit_and_fall_silent: 2,
    }
