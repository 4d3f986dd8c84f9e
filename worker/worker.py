"""One worker, from its start to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

from models.engine import DatabaseUrl, SqliteUrl
from resolvers.context import Resources
from worker import engine_sqlite
from worker.engine import SCHEMA, SLOTS, Engine
from worker.engine_sqlite import EngineRefused
from worker.kinds import KINDS, Kind
from worker.reports import Reports
from worker.ticker import Pace, Ticker
from worker.units import Units

log = structlog.get_logger("tendon")

# Seconds that cancelled units have to release their leases.
_RELEASE: Final = 3.0
# Seconds between two attempts to start: while the database is away, and while it answers but refuses the engine.
_AWAY: Final = 1.0
_REFUSED: Final = 10.0
# The role may not create the engine's schema, or not use it.
_NO_RIGHT: Final = "42501"


class Worker:
    """`seconds` limits each wait for the database. A worker that is told to stop waits up to `grace` seconds for the
    units that it runs, and cancels those that are left. It runs `slots` units of each kind and provider at a time."""

    def __init__(
        self,
        resources: Resources,
        database: DatabaseUrl,
        *,
        seconds: float = 5,
        grace: float = 30,
        slots: int = SLOTS,
        kinds: Collection[Kind] = KINDS,
        pace: Pace | None = None,
    ) -> None:
        self._database = database
        self._seconds = seconds
        self._grace = grace
        self._units = Units(resources, {kind.name: kind for kind in kinds})
        self._engine = Engine(self._units.run, slots=slots)
        self._reports = Reports(resources.database, resources.vault_keys, self._units)
        self._ticker = Ticker(resources, self._engine, kinds, self._reports, pace or Pace())

    async def run(self, stop: asyncio.Event, announce: Callable[[], None] = lambda: None) -> int:
        """Work until `stop` is set. `announce` is called when it begins. Returns how many units had to be cancelled.

        Raises EngineRefused.
        """
        if isinstance(self._database, SqliteUrl):
            async with engine_sqlite.only_worker(self._database.path, stop) as alone:
                return await self._run(stop, announce) if alone else 0
        return await self._run(stop, announce)

    async def _run(self, stop: asyncio.Event, announce: Callable[[], None]) -> int:
        if not await self._start_engine(stop):
            return 0
        log.info("work.ready", database=str(self._database))
        announce()
        ticking = asyncio.create_task(self._ticker.run())
        await stop.wait()
        ticking.cancel()
        return await self._drain(ticking)

    async def _start_engine(self, stop: asyncio.Event) -> bool:
        """False if `stop` was set before it started."""
        while not stop.is_set():
            pause = _AWAY
            # While the database is away, an attempt of the engine would hold up everything else.
            if await self._reports.database_answers():
                if await self._launch():
                    return True
                pause = _REFUSED
            self._reports.alive()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        return False

    async def _launch(self) -> bool:
        """False if the database refused it for now, which the engine has logged."""
        try:
            if isinstance(self._database, SqliteUrl):
                await self._engine.start_on_file(self._database.path)
            else:
                await self._engine.start_on_postgres(self._database, self._seconds)
        except DBAPIError as fault:
            _raise_if_refused(fault)
            return False
        return True

    async def _drain(self, ticking: asyncio.Task[None]) -> int:
        log.info("work.draining", running=self._units.running)
        with suppress(asyncio.CancelledError):
            await ticking
        # The engine looks once a second whether its units have ended.
        await self._engine.close(max(1, self._grace - _RELEASE) if self._units.running else 0)
        cancelled = await self._units.cancel()
        log.info("work.stopped", cancelled=cancelled)
        return cancelled


def _raise_if_refused(fault: DBAPIError) -> None:
    if getattr(fault.orig, "sqlstate", None) == _NO_RIGHT:
        raise EngineRefused(
            f"the role may not create or use the schema {SCHEMA}: create it for the role, as in docs/operating.md"
        ) from None
