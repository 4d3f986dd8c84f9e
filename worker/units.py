"""Runs one unit of work: with a context of its own, a time limit, and a log of what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import uuid4

import structlog

from models.database import DatabaseDown
from resolvers.context import Context, Resources
from resolvers.errors import Problem
from resolvers.exception_details import exception_details
from resolvers.log_context import LOG_CONTEXT
from worker.kinds import Kind

log = structlog.get_logger("tendon")


class Units:
    """The units that run in this process."""

    def __init__(self, resources: Resources, kinds: Mapping[str, Kind]) -> None:
        self._resources = resources
        self._kinds = kinds
        self._running: set[asyncio.Task[None]] = set()
        self.ended = 0
        self.failed = 0

    @property
    def running(self) -> int:
        return len(self._running)

    async def run(self, kind: str, id: str) -> None:  # noqa: A002 - it has no other name
        """Raises nothing: what came of the work is in Tendon's own tables."""
        found = self._kinds.get(kind)
        if found is None:
            # Another version of Tendon started it, and runs it.
            return
        task = asyncio.create_task(self._run(found, id))
        self._running.add(task)
        try:
            # The engine may be closed before the unit ends.
            await asyncio.wait([task])
        finally:
            self._running.discard(task)

    async def cancel(self) -> int:
        """Cancel those that run, and wait until they have ended. Returns how many there were."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        return len(tasks)

    async def _run(self, kind: Kind, id: str) -> None:  # noqa: A002
        context = Context(self._resources, None, uuid4().hex)
        LOG_CONTEXT.set({"work": kind.name, "request_id": context.request_id})
        try:
            async with asyncio.timeout(kind.seconds):
                await kind.run(context, id)
        except Exception as fault:  # noqa: BLE001 - whatever it is
            self.failed += 1
            _report(fault)
        finally:
            self.ended += 1


def _report(fault: Exception) -> None:
    if isinstance(fault, DatabaseDown):
        log.warning("work.failed", error=fault.reason)
    elif isinstance(fault, Problem):
        log.warning("work.failed", error=fault.code)
    elif isinstance(fault, TimeoutError):
        log.warning("work.failed", error="it took too long")
    else:
        log.error("fault", **exception_details(fault))
