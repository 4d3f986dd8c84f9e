"""The engine, dbos: runs units of work on an event loop, with limits on how many run at a time.

The units wait in one queue for all workers of a database. It is partitioned, by kind of work and provider, and the
limits are those of each partition, so that a slow provider holds up no other. No units of work are taken over from
workers that have died: what they held is due again when its lease ends, and is started with a new id.

docs/adr/0015-the-worker-runs-on-dbos.md says why it is dbos, and why it is used like this.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Final
from uuid import uuid4

from dbos import DBOS, DBOSConfig, Serializer, SetEnqueueOptions, SetWorkflowID

from models.engine import PostgresUrl
from worker import engine_sqlite
from worker.engine_log import take_over_logs

Run = Callable[[str, str], Awaitable[None]]
"""Runs one unit of work, by the name of its kind and its id. Raises nothing."""

SCHEMA: Final = "tendon_worker"
"""The engine's schema on PostgreSQL."""
SLOTS: Final = 20
"""How many units of a partition a worker runs at a time."""
POLL: Final = 0.5
"""Seconds between two looks into the queue. Each starts up to SLOTS units of every partition."""
_QUEUE: Final = "work"
# With another version, the engine would not run what was started by it.
_VERSION: Final = "1"
_THREADS: Final = 8
# Nothing is scheduled with the engine, and no unit waits for another one.
_SELDOM: Final = 3600.0
# Seconds between two looks at the thread that listens for such units. The engine's end waits for it.
_LISTENING: Final = 0.5
# Seconds that the engine has to end, after its units have.
_ENDING: Final = 5.0
# How long the engine remembers which units have run: longer than any id is used.
_REMEMBERED: Final = timedelta(minutes=10)
# Units that are older are left by workers that have died.
_LEFT: Final = timedelta(hours=1)
_BATCH: Final = 500


class _Json(Serializer):
    """Whoever can write pickles to the engine's tables could run code here. `worker/unpickling.py` refuses those that
    the engine would read in spite of this."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "tendon_json"


_run: list[Run] = []
"""What units are run by. There is one engine in a process."""


@DBOS.workflow(name="unit")
async def _unit(kind: str, id: str) -> None:  # noqa: A002 - it has no other name
    if _run:
        await _run[-1](kind, id)


class Engine:
    """Started by `start`, which must be called on the event loop that the units are to run on."""

    def __init__(self, run: Run, *, slots: int = SLOTS, poll: float = POLL) -> None:
        self._run = run
        self._slots = slots
        self._poll = poll
        self._give_up: Callable[[], None] = lambda: None
        self._started = False

    async def start_on_file(self, database: str) -> None:
        """On a new file beside the SQLite database at this path, of which this must be the only worker."""
        file = engine_sqlite.new_engine_file(database)
        creator = partial(engine_sqlite.connect, file)
        await self._start({"system_database_url": _sqlite_url(file), "db_engine_kwargs": {"creator": creator}})

    async def start_on_postgres(self, url: PostgresUrl, seconds: float) -> None:
        """In a schema of its own, which is created if it is missing. Each wait for the server takes up to `seconds`.

        Raises sqlalchemy.exc.DBAPIError if the database is unavailable, or refuses this.
        """
        # Imported here so that a worker on SQLite doesn't use the driver.
        from worker.engine_postgres import CONNECTIONS, Connector, create_pool  # noqa: PLC0415

        connector = Connector(url, seconds)
        pool = create_pool(url, connector)
        try:
            await self._start({"system_database_engine": pool, "sys_db_pool_size": CONNECTIONS})
        except BaseException:
            pool.dispose()
            raise
        connector.patient = True
        self._give_up = connector.close

    async def enqueue(self, partition: str, unit_id: str, kind: str, id: str) -> None:  # noqa: A002
        """Start a unit, unless there was one of the same `unit_id` in the last minutes."""
        with SetWorkflowID(unit_id), SetEnqueueOptions(queue_partition_key=partition):
            await DBOS.enqueue_workflow_async(_QUEUE, _unit, kind, id)

    async def forget_old(self) -> None:
        """Delete what the engine knows of units that have ended, or that no worker runs any more."""
        now = datetime.now(UTC)
        unneeded = await DBOS.list_workflows_async(
            status=["PENDING", "ENQUEUED"], end_time=_time(now - _LEFT), limit=_BATCH, load_input=False
        )
        if unneeded:
            await DBOS.cancel_workflows_async([unit.workflow_id for unit in unneeded])
        while True:
            ended = await DBOS.list_workflows_async(
                completed_before=_time(now - _REMEMBERED), limit=_BATCH, load_input=False, load_output=False
            )
            if ended:
                await DBOS.delete_workflows_async([unit.workflow_id for unit in ended])
            if len(ended) < _BATCH:
                return

    async def close(self, seconds: float) -> None:
        """Start no more units, wait for those that run, for up to `seconds`, and end the engine. If it doesn't end,
        because a thread of it waits for the database, it is left alone: it ends with the process."""
        if not self._started:
            return
        self._started = False
        # The engine goes on with the connections that it has.
        self._give_up()
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def destroy() -> None:
            DBOS.destroy(workflow_completion_timeout_sec=round(seconds))
            loop.call_soon_threadsafe(ended.set)

        # Not a thread that the process would wait for at its end. The engine's own threads are none, either.
        Thread(target=destroy, daemon=True).start()
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), seconds + _ENDING)
        loop.set_default_executor(ThreadPoolExecutor())
        _run.remove(self._run)

    async def _start(self, database: DBOSConfig) -> None:
        config: DBOSConfig = {
            "name": "tendon",
            "application_version": _VERSION,
            # The engine recovers what another process with the same id had begun.
            "executor_id": str(uuid4()),
            "dbos_system_schema": SCHEMA,
            "serializer": _Json(),
            "use_listen_notify": False,
            "max_executor_threads": _THREADS,
            "scheduler_polling_interval_sec": _SELDOM,
            "notification_listener_polling_interval_sec": _LISTENING,
            "enable_otlp": False,
            "log_level": "WARNING",
            **database,
        }
        take_over_logs()
        DBOS(config=config)
        try:
            # Not in a thread: units run on the loop of the caller.
            DBOS.launch()
            await DBOS.register_queue_async(
                _QUEUE,
                partition_worker_concurrency=self._slots,
                polling_interval_sec=self._poll,
                on_conflict="always_update",
            )
        except BaseException:
            DBOS.destroy()
            raise
        _run.append(self._run)
        self._started = True


def _sqlite_url(file: Path) -> str:
    from sqlalchemy import URL  # noqa: PLC0415

    return URL.create("sqlite", database=str(file)).render_as_string()


def _time(moment: datetime) -> str:
    return moment.isoformat()
