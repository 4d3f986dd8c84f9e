"""Hosts of the database that crash, vanish, or change their role, and the ways that lead to the right one."""

from __future__ import annotations

import asyncio

from tests.failover.rig import Rig, Setup
from tests.failover.scenario import Scenario, exchanges_under_way
from tests.failover.standbys import fail_over
from tests.failover.ways import by_haproxy, by_hosts, by_pgbouncer


async def crash(rig: Rig) -> None:
    """The primary crashes while callbacks are in the middle of their exchange, and starts again."""
    async with rig.load.running():
        await rig.work_on()
        with rig.disturbance("database crashes and restarts"):
            async with exchanges_under_way(rig):
                await asyncio.to_thread(rig.pair.primary.kill)
                await asyncio.to_thread(rig.pair.primary.start)
            await rig.work_on()


async def vanish(rig: Rig) -> None:
    """The primary's machine is gone without a word: nothing answers on the sessions that are open, and the address
    leads to the promoted standby. One caller of each process finds out, however many idle sessions it has."""
    async with rig.load.running(callers=4 * rig.setup.pool, pause=0):
        await rig.work()
    with rig.disturbance("database vanishes"):
        await _vanish(rig)
        for gateway in rig.world.gateways:
            rig.load.entrance = gateway
            failed = await rig.load.flows(rig.setup.pool + 2)
            rig.notes.append(f"{failed} failed at {gateway.name}")
            if failed > 1:
                rig.problems.append(f"{failed} callers of {gateway.name} failed one after the other")
    rig.load.entrance = None


async def vanish_in_mid_callback(rig: Rig) -> None:
    async with rig.load.running():
        await rig.work_on()
        with rig.disturbance("database vanishes"):
            async with exchanges_under_way(rig):
                await _vanish(rig)
            await rig.work_on()


async def _vanish(rig: Rig) -> None:
    rig.pair.line.vanish()
    await asyncio.to_thread(rig.pair.primary.kill)
    await rig.pair.promote()


async def switch_over(rig: Rig) -> None:
    """As docs/operating.md describes it for PgBouncer."""
    pooler = rig.pair.pooler
    async with rig.load.running():
        await rig.work_on()
        with rig.disturbance("database switches over"):
            await pooler.command(f"KILL {rig.pair.database}")
            await asyncio.to_thread(rig.pair.primary.stop)
            await rig.pair.promote()
            pooler.lead_to(rig.pair.primary.port)
            await pooler.command("RELOAD")
            await pooler.command(f"RESUME {rig.pair.database}")
            await rig.work_on()


SCENARIOS = (
    Scenario("crash and restart", crash, Setup(standby=False), seconds=5),
    Scenario("vanished host", vanish, Setup(synchronous=True)),
    Scenario("vanished host in mid-callback", vanish_in_mid_callback, Setup(synchronous=True), seconds=5),
    Scenario("failover with several hosts", fail_over, Setup(by_hosts, synchronous=True), seconds=5),
    Scenario("failover behind HAProxy", fail_over, Setup(by_haproxy, synchronous=True), seconds=5),
    Scenario("failover behind PgBouncer", switch_over, Setup(by_pgbouncer, synchronous=True), seconds=5),
)
