"""Asks every few seconds what is due, and starts it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import Protocol
from uuid import uuid4

import msgspec
import structlog

from models.database import DatabaseDown
from resolvers.context import Context, Resources
from resolvers.errors import Problem
from resolvers.exception_details import exception_details
from worker.kinds import Kind
from worker.reports import REPORT, Reports

log = structlog.get_logger("tendon")


class Pace(msgspec.Struct, frozen=True):
    """`tick` is the time in seconds between two looks at what is due, and `most` how many pieces of each kind one look
    may find. A piece of work that is still due with the same key is started again every `again` seconds.
    A call of the engine may take `patience` seconds: if the database vanishes meanwhile, it would wait for its return.
    """

    tick: float = 2.0
    most: int = 200
    again: float = 30.0
    patience: float = 10.0


class Engine(Protocol):
    """What the ticker uses of the engine."""

    async def enqueue(self, partition: str, unit_id: str, kind: str, id: str) -> None: ...  # noqa: A002

    async def forget_old(self) -> None: ...


class Ticker:
    """Starts what is due as units of the engine. Their ids are `kind:id:key:period`.

    All workers make the same ids, so each unit runs once, whoever starts it. The engine never runs an id twice,
    even if the unit failed, or if its worker died before it took a lease. That's what the period is for: it is a number
    that changes every `Pace.again` seconds, so what is still due then is started again.
    """

    def __init__(
        self, resources: Resources, engine: Engine, kinds: Collection[Kind], reports: Reports, pace: Pace
    ) -> None:
        self._resources = resources
        self._engine = engine
        self._kinds = kinds
        self._reports = reports
        self._pace = pace
        self._period = 0
        self._started: set[str] = set()
        self._failing: dict[str, tuple[str, float]] = {}
        """The error of each kind of work that can't be started, and when it was logged."""

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            answers = await self._reports.database_answers()
            if answers:
                with self._logged("keys"):
                    await self._reports.check_keys()
                for kind in self._kinds:
                    with self._logged(kind.name):
                        await self._start_due(kind)
            if self._reports.alive() and answers:
                with self._logged("engine"):
                    async with asyncio.timeout(self._pace.patience):
                        await self._engine.forget_old()
            await asyncio.sleep(self._pace.tick)

    async def _start_due(self, kind: Kind) -> None:
        period = int(time.time() / self._pace.again)
        if period != self._period:
            self._period = period
            self._started.clear()
        context = Context(self._resources, None, uuid4().hex)
        for work in await kind.due(context, self._pace.most):
            unit_id = f"{kind.name}:{work.id}:{work.key}:{period}"
            if unit_id not in self._started:
                async with asyncio.timeout(self._pace.patience):
                    await self._engine.enqueue(f"{kind.name}:{work.provider or ''}", unit_id, kind.name, work.id)
                self._started.add(unit_id)

    @contextmanager
    def _logged(self, work: str) -> Generator[None]:
        """No failure ends the worker, and none of one kind of work holds up another. The same one is logged again after
        a while only, since an outage would cause it at every tick."""
        try:
            yield
        except DatabaseDown as fault:
            self._report(work, fault.reason)
        except Problem as fault:
            self._report(work, fault.code)
        except TimeoutError:
            self._report(work, "it took too long")
        except Exception as fault:  # noqa: BLE001 - whatever it is
            log.error("fault", work=work, **exception_details(fault))  # noqa: TRY400 - never the text
        else:
            self._failing.pop(work, None)

    def _report(self, work: str, error: str) -> None:
        before, since = self._failing.get(work, ("", 0.0))
        now = time.monotonic()
        if error != before or now - since >= REPORT:
            self._failing[work] = (error, now)
            log.warning("work.not.started", work=work, error=error)
