"""Restarts of Tendon's own processes behind HAProxy, while the database works. No caller notices anything."""

from __future__ import annotations

import asyncio
import csv
import io
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.failover.rig import Rig, Setup
from tests.failover.scenario import Scenario
from tests.serving.serving import is_gone, serving, workers
from tests.serving.test_haproxy import haproxy
from tests.waiting import until


@dataclass
class Balancer:
    """HAProxy, configured as in docs/operating.md."""

    origin: str
    console: Path
    name: str = "HAProxy"
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def uses_both(self) -> None:
        """Waits until it sends requests to both processes."""
        await until(self._uses_both, "HAProxy to use both processes")

    async def _uses_both(self) -> bool:
        with suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(self.console)
            try:
                writer.write(b"show stat\n")
                await writer.drain()
                text = (await reader.read()).decode()
            finally:
                writer.close()
            rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
            return [row["status"] for row in rows if row["pxname"] == "tendon"] == ["UP"] * 3
        return False


async def balance(rig: Rig) -> Balancer:
    """From now on all callers use HAProxy, also when everything is judged."""
    console = rig.folder / "haproxy.socket"
    first, second = rig.processes
    balancer = Balancer(rig.until_judged.enter_context(haproxy(rig.folder, first, second, console=console)), console)
    await balancer.uses_both()
    rig.load.entrance = balancer
    return balancer


async def restart_in_turn(rig: Rig) -> None:
    """As an update does it: SIGTERM, and a new process in its place."""
    balancer = await balance(rig)
    async with rig.load.running():
        for process in rig.processes:
            await rig.work_on()
            process.tell(signal.SIGTERM)
            if status := await asyncio.to_thread(process.wait):
                rig.problems.append(f"a process ended with status {status}")
            await asyncio.to_thread(process.start)
            await balancer.uses_both()
        await rig.work_on()
    if rig.failures:
        rig.problems.append(f"callers were told {dict(rig.outcomes)}")


async def replace_workers(rig: Rig) -> None:
    """On SIGHUP, a process starts new workers in place of the old ones, one after the other."""
    await balance(rig)
    async with rig.load.running():
        for process in rig.processes:
            await rig.work_on()
            old = workers(process)
            process.tell(signal.SIGHUP)
            await serving(process, len(old) + rig.setup.workers)
            for pid in old:
                await until(partial(is_gone, pid), "the old workers to end")
        await rig.work_on()
    if rig.failures:
        rig.problems.append(f"callers were told {dict(rig.outcomes)}")


SCENARIOS = (
    Scenario("rolling restart", restart_in_turn, Setup(standby=False), seconds=5),
    Scenario("SIGHUP", replace_workers, Setup(standby=False, workers=2), seconds=5),
)
