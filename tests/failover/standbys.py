"""Failover to a standby, and standbys that fall silent."""

from __future__ import annotations

import asyncio
import signal

from tests.failover.load import PROVIDER
from tests.failover.rig import Rig, Setup
from tests.failover.scenario import Scenario, exchanges_under_way

# Callbacks whose claim is lost.
_TWICE = 3


async def fail_over(rig: Rig) -> None:
    """The primary's machine loses its power while callbacks are in the middle of their exchange."""
    async with rig.load.running(callers=8):
        await rig.work_on()
        with rig.disturbance("database fails over"):
            async with exchanges_under_way(rig):
                await asyncio.to_thread(rig.pair.primary.kill)
                await rig.pair.promote()
            await rig.work_on()


async def fall_silent(rig: Rig) -> None:
    """Nothing can be committed while the standby is silent. The administrator can log in all the time."""
    async with rig.load.running(callers=4 * rig.setup.pool):
        await rig.work()
        with rig.disturbance("database waits for its standby"):
            rig.pair.standby.signal(signal.SIGSTOP)
            await _stay(rig)
            rig.pair.standby.signal(signal.SIGCONT)
            await rig.work()


async def fail_over_while_silent(rig: Rig) -> None:
    """Commits that wait for the standby are lost with the primary. No caller may have been told of them."""
    async with rig.load.running(callers=4 * rig.setup.pool):
        await rig.work()
        with rig.disturbance("database waits for its standby, and then fails over"):
            async with exchanges_under_way(rig):
                rig.pair.replication.stall()
            await _stay(rig)
            await asyncio.to_thread(rig.pair.primary.kill)
            rig.pair.replication.cut()
            await rig.pair.promote()
            await rig.work()


async def fail_over_with_lag(rig: Rig) -> None:
    """The standby is behind when the primary ends, so the last commits are lost, and nothing else is. Claims are among
    them: of these callbacks, sent again, the code is sent twice."""
    history = rig.load.history
    async with rig.load.running(callers=8):
        await rig.work()
        people = [rig.load.person() for _ in range(_TWICE)]
        flows = [await person.authorize(PROVIDER) for person in people]
        await rig.pair.catch_up()
        began = history.now()
        with rig.disturbance("database fails over and loses commits"):
            rig.pair.replication.stall()
            for person, flow in zip(people, flows, strict=True):
                if flow:
                    await person.send(flow)
            await asyncio.sleep(rig.seconds)
            await asyncio.to_thread(rig.pair.primary.kill)
            rig.pair.replication.cut()
            await rig.pair.promote()
            rig.lossy = (began, history.now())
            await rig.work()


async def _stay(rig: Rig) -> None:
    """For as long as the scenario lasts."""
    for _ in range(int(rig.seconds)):
        await asyncio.sleep(1)
        await rig.pair.administer("SELECT 1")


SCENARIOS = (
    Scenario("synchronous failover", fail_over, Setup(synchronous=True), seconds=5),
    Scenario("asynchronous failover", fail_over_with_lag, seconds=1),
    Scenario("silent standby", fall_silent, Setup(synchronous=True, server={"max_connections": "100"}), seconds=40),
    Scenario("failover while the standby is silent", fail_over_while_silent, Setup(synchronous=True), seconds=15),
)
